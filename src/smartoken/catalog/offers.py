"""The shapes of the catalog: a model is what is sold, an offer is that model at one provider. Pure.

Rates are integers of pico-units per token (money.py) in the price's own currency. The price of a call is decided
whole: one band is picked by the facts of the entire request (prompt length, answer length, thinking) and its rates
apply to every token; nothing is marginal.
"""

from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum

UNKNOWN = None


@dataclass(frozen=True, slots=True)
class Band:
    """Rates that hold while the request is within the bounds; ``None`` as a bound means open."""

    input: int
    output: int
    cached_input: int | None = None  # None: cached tokens cost the input rate
    cache_write: int | None = None  # None: cache writes cost the input rate
    up_to_prompt_tokens: int | None = None  # inclusive
    up_to_output_tokens: int | None = None  # inclusive
    thinking: bool | None = None  # None: either way
    audio_input: int | None = None  # None: audio costs the input rate, or no source says otherwise


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """Hours in which the listed rates hold; outside of them they are multiplied."""

    zone: str  # IANA name
    peak: tuple[tuple[time, time], ...]  # [start, end) in the zone
    weekdays: tuple[int, ...]  # ISO: Monday is 1; days not listed are off-peak
    holidays: str | None  # "CN": Chinese public holidays are off-peak
    off_peak_percent: int  # 50: half of the listed rates outside peak hours


@dataclass(frozen=True, slots=True)
class Promotion:
    """A dated factor on the list price."""

    percent: int
    until: date  # the last day on which it holds, in ``zone``
    zone: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """A price list of one model or offer, with its source."""

    currency: str  # "USD" or "CNY"
    bands: tuple[Band, ...]  # in the order in which they are tried
    time_of_day: TimeOfDay | None = None
    promotion: Promotion | None = None
    source: str = ""
    source_date: str = ""  # as precise as the source is: YYYY, YYYY-MM or YYYY-MM-DD
    region: str | None = None  # of the provider's record; None: the source names none
    note: str = ""


@dataclass(frozen=True, slots=True)
class DataPolicy:
    """Where an offer's data goes; ``None`` is unknown, and an unknown fact fails a set policy."""

    region: str | None = None  # "cn", "sg", "us", "hk", "eu" ...
    entity: str | None = None
    trains: bool | None = None
    logs: bool | None = None
    retention: str | None = None
    source: str = ""
    source_date: str = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How thinking is switched for a model."""

    supported: bool = False
    can_disable: bool | None = None
    default_on: bool | None = None
    efforts: tuple[str, ...] = ()
    max_budget_tokens: int | None = None
    limit_covers_reasoning: bool | None = None  # unknown counts as no


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the model can do; ``None`` is unknown."""

    tools: bool | None = None
    json_mode: bool | None = None
    json_schema: bool | None = None
    vision: bool | None = None
    prefix: bool | None = None
    cache: str | None = None  # "implicit", "explicit", "implicit+explicit", "none"


@dataclass(frozen=True, slots=True)
class RetiredName:
    """A name that its vendor took back; it resolves to the model that carries it, with a warning header."""

    name: str  # "deepseek/deepseek-chat"; the part behind the slash resolves too
    retired: date
    source: str
    thinking: bool | None = None  # what the name stood for, applied where the caller switches nothing; None: nothing
    note: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """What a client puts in ``model`` and what it is charged for it."""

    id: str  # "deepseek/deepseek-v4-pro"
    name: str
    family: str
    vendor: str
    context: int | None
    max_output: int | None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    abilities: Abilities = field(default_factory=Abilities)
    reasoning: Reasoning = field(default_factory=Reasoning)
    released: date | None = None
    retires: date | None = None
    status: str = "current"  # current | legacy | deprecated | retired
    aliases: tuple[str, ...] = ()  # vendor ids and OpenRouter ids
    retired_aliases: tuple[str, ...] = ()  # resolve with a warning header
    description: str = ""
    source: str = ""
    price: Price | None = None  # sell price in USD; None: not sold
    price_unknown: str | None = None  # why there is no price
    replaced_by: str | None = None
    openrouter_ids: tuple[str, ...] = ()  # those of ``aliases`` that are OpenRouter's
    retired_names: tuple[RetiredName, ...] = ()  # ``retired_aliases`` with the facts
    released_text: str = ""  # as precise as the source is, where ``released`` is None
    source_date: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """One model at one provider."""

    id: str  # "deepseek:deepseek-v4-pro"
    model: str
    provider: str
    upstream_model: str
    price: Price | None  # what the provider charges, native currency; None: unknown
    prices_other: tuple[Price, ...] = ()
    policy: DataPolicy = field(default_factory=DataPolicy)
    context: int | None = None  # None: the model's
    max_output: int | None = None
    tier: int = 1
    share: int = 100
    cancel: str = "cancel"  # client leaves: cancel | drain | no_bill
    notes: str = ""
    status: str = "current"  # current | legacy | deprecated, at this provider
    price_unknown: str | None = None  # why there is no price
    input_modalities: tuple[str, ...] | None = None  # None: the model's
    abilities: Abilities | None = None  # None: the model's
    reasoning: Reasoning | None = None  # None: the model's
    policy_of_host: bool = False  # ``policy`` is that of the provider's default host, not this offer's own


class AliasKind(StrEnum):
    """Why a name resolves to a model that has another id."""

    VENDOR = "vendor"  # an upstream id, a vendor's second name, or ``provider/upstream id``
    OPENROUTER = "openrouter"
    RETIRED = "retired"  # answered with a warning header


@dataclass(frozen=True, slots=True)
class Alias:
    """A name beside the model's own id, in lower case."""

    name: str
    model: str
    kind: AliasKind
    retired: RetiredName | None = None
