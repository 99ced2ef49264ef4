"""A model's and an offer's file, as ``docs/catalog.md`` describes them. Unknown facts are written ``"unknown"``."""

from datetime import date

from smartoken.catalog.offers import Abilities, DataPolicy, Model, Offer, Price, Reasoning, RetiredName
from smartoken.catalog.price_file import read_price
from smartoken.catalog.strict import UNKNOWN_WORD, Table

MODALITIES = ("text", "image", "audio", "video", "pdf")
CACHES = ("none", "implicit", "explicit", "implicit+explicit")
MODEL_STATUSES = ("current", "legacy", "deprecated", "retired")
OFFER_STATUSES = MODEL_STATUSES[:3]
CANCEL_POLICIES = ("cancel", "drain", "no_bill")
_DAY_LENGTH = len("2026-11-01")


def read_model(table: Table) -> Model:
    """Read what a model's file says on its own; ``list_of`` prices and aliases are joined by ``files``.

    Raises:
        CatalogError: a key is missing, wrong or unknown.

    """
    released = table.coarse_day("released") if "released" in table else ""
    exact = date.fromisoformat(released) if len(released) == _DAY_LENGTH else None
    note = table.text("released_note", "")
    retired = tuple(_read_retired(each) for each in table.tables("retired_name"))
    openrouter = table.texts("openrouter", ())
    return Model(
        id=table.text("id"),
        name=table.text("name"),
        family=table.text("family"),
        vendor=table.text("vendor"),
        context=table.known_whole("context", least=1),
        max_output=table.known_whole("max_output", least=1),
        input_modalities=_modalities(table, "input"),
        output_modalities=_modalities(table, "output"),
        abilities=_read_abilities(table.table("abilities")),
        reasoning=_read_reasoning(table.table("reasoning")),
        released=exact,
        released_text=" ".join(filter(None, (released, note))),
        retires=table.maybe_day("retires"),
        status=table.text("status", choices=MODEL_STATUSES),
        aliases=(*table.texts("aliases", ()), *openrouter),
        openrouter_ids=openrouter,
        retired_aliases=tuple(each.name for each in retired),
        retired_names=retired,
        description=table.text("description"),
        source=table.text("source"),
        source_date=table.coarse_day("source_date"),
        notes=table.text("notes", ""),
        replaced_by=table.maybe_text("replaced_by"),
        price=_own_price(table),
        price_unknown=_reason(table),
    )


def listed_at(table: Table) -> str | None:
    """Return the provider whose list price a model's file takes: ``price = { list_of = "deepseek" }``."""
    if "price" not in table or table.is_text("price"):
        return None
    price = table.table("price")
    return price.text("list_of") if "list_of" in price else None


def read_offer(table: Table, offer_id: str, provider: str) -> Offer:
    """Read an offer's file; id and provider come from where the file lies.

    Raises:
        CatalogError: a key is missing, wrong or unknown.

    """
    policy = table.maybe_table("policy")
    abilities = table.maybe_table("abilities")
    reasoning = table.maybe_table("reasoning")
    return Offer(
        id=offer_id,
        model=table.text("model"),
        provider=provider,
        upstream_model=table.text("upstream_id"),
        price=_own_price(table, sourced=True),
        price_unknown=_reason(table),
        prices_other=tuple(read_price(each, sourced=True) for each in table.tables("price_other")),
        policy=read_policy(policy) if policy else DataPolicy(),
        context=table.whole("context", least=1) if "context" in table else None,
        max_output=table.whole("max_output", least=1) if "max_output" in table else None,
        input_modalities=_modalities(table, "input") if "input" in table else None,
        abilities=_read_abilities(abilities) if abilities else None,
        reasoning=_read_reasoning(reasoning) if reasoning else None,
        tier=table.whole("tier", 1, least=1, most=99),
        share=table.whole("share", 100, least=1, most=100),
        cancel=table.text("cancel", "cancel", choices=CANCEL_POLICIES),
        status=table.text("status", choices=OFFER_STATUSES),
        notes=table.text("notes", ""),
    )


def read_policy(table: Table) -> DataPolicy:
    """Read where data goes and what is done with it; every fact is stated or ``"unknown"``, with source and date."""
    return DataPolicy(
        region=table.known_text("region"),
        entity=table.known_text("entity"),
        trains=table.known_flag("trains"),
        logs=table.known_flag("logs"),
        retention=table.known_text("retention"),
        source=table.text("source"),
        source_date=table.coarse_day("source_date"),
    )


def _own_price(table: Table, *, sourced: bool = False) -> Price | None:
    """Return the price that stands in the file itself, None for ``"unknown"`` and for ``list_of``."""
    if table.is_text("price"):
        table.text("price", choices=(UNKNOWN_WORD,))
        return None
    price = table.table("price")
    if not sourced and "list_of" in price:
        return None
    return read_price(price, sourced=sourced)


def _reason(table: Table) -> str | None:
    return table.text("price_unknown") if table.is_text("price") else None


def _read_retired(table: Table) -> RetiredName:
    return RetiredName(
        name=table.text("name"),
        retired=table.day("retired"),
        source=table.text("source"),
        thinking=table.flag("thinking") if "thinking" in table else None,
        note=table.text("note", ""),
    )


def _read_abilities(table: Table) -> Abilities:
    return Abilities(
        tools=table.known_flag("tools"),
        json_mode=table.known_flag("json_mode"),
        json_schema=table.known_flag("json_schema"),
        vision=table.known_flag("vision"),
        prefix=table.known_flag("prefix"),
        cache=table.known_text("cache", choices=CACHES),
    )


def _read_reasoning(table: Table) -> Reasoning:
    if not table.flag("supported"):
        return Reasoning(supported=False)
    return Reasoning(
        supported=True,
        can_disable=table.known_flag("can_disable"),
        default_on=table.known_flag("default_on"),
        efforts=table.texts("efforts", ()),
        max_budget_tokens=table.whole("max_budget_tokens", least=1) if "max_budget_tokens" in table else None,
        limit_covers_reasoning=table.known_flag("limit_covers_reasoning"),
    )


def _modalities(table: Table, key: str) -> tuple[str, ...]:
    values = table.texts(key)
    if not values or not set(values) <= set(MODALITIES):
        raise table.error(f"`{key}` must name some of {', '.join(MODALITIES)}", key)
    return values
