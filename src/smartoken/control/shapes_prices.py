"""What enters the routes of prices and reconciliation."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from smartoken.control.shapes import Body, Page, QueryShape

_AMOUNT = Field(max_length=4_000_000)


class PriceDraft(Body):
    """A draft of the price book: prices in the words of the set-up file, null takes an entry back."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    sell: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    cost: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    lists: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    note: str | None = None
    from_: str | None = Field(default=None, alias="from", description="from when it counts; left out: from publication")


class Publish(Body):
    """From when a draft counts; left out: as the draft says, else now."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    from_: str | None = Field(default=None, alias="from")


class PriceListOf(Body):
    """The price list of an account; null for the standard prices."""

    price_list: str | None


class PricesQuery(QueryShape):
    """Which prices are asked for: those of a price list, or the standard ones."""

    price_list: str | None = None


class HistoryQuery(QueryShape):
    """Whose history is asked for."""

    model: str


class MarginQuery(QueryShape):
    """A report of margins; ``from`` and ``to`` are instants or days."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    group_by: str = "model"
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None


class ChecksQuery(Page):
    """Results of checks: the newest of each, or all of one by name."""

    name: str | None = None


class ReconcileRequest(Body):
    """What is compared with what was logged: expected calls of a run, or a provider's bill, as the file's text."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    kind: Literal["usage", "bill"]
    text: str = _AMOUNT
    format: Literal["jsonl", "csv"] | None = None
    account: str | None = None
    key: str | None = None
    provider: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    timezone: str | None = None
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    tolerance: str | None = Field(default=None, description="percent; left out: 0 for calls, 0.5 for a bill")
