"""What is sold from when on, worked out ahead of any call: stages of models, price lists and versions. Pure.

A stage begins when the price book or an exchange rate changes. Everything that a call needs is in it: the model at the
standard price and under each price list, each with its version, and what offers cost with the rate that turns it into
USD. So a call's price is one look-up, exact to the millisecond, and the store knows every version before a call has it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from smartoken.billing.price_book import (
    Book,
    Contents,
    Publication,
    book_at,
    changes_after,
    listed_price,
    with_contents,
)
from smartoken.catalog.fx import FxRate, FxTable, FxUnknownError
from smartoken.catalog.offers import Price
from smartoken.operations.price_versions import COST, NONE, SELL, STANDARD, Version, fx_id, shown_fx, version_of
from smartoken.operations.price_words import shown_rule
from smartoken.operations.served import ServedModel, ServedOffer, Stage

MOST_STAGES = 16  # what lies further ahead is worked out when the first of them have passed
PLAY = "sandbox"  # play money has one price
FOREVER_MS = 1 << 62
Place = tuple[str, str, str]  # (kind, subject, price list)
# Gives the models at a table of rates, each with the terms of its standard price before the book.
Shelf = Callable[[FxTable], tuple[Mapping[str, ServedModel], Mapping[str, Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Prices:
    """Every stage that is known, and what the store has to keep of them."""

    stages: tuple[Stage, ...]
    versions: Mapping[str, Version]
    in_force: Mapping[Place, str]  # the versions of the first stage
    since: Mapping[Place, int]  # from when, where the book says so
    rates: tuple[FxRate, ...]
    shelf: Shelf = field(repr=False, compare=False)
    publications: tuple[Publication, ...] = field(repr=False, compare=False)
    table: FxTable = field(repr=False, compare=False)

    def stage_with(self, contents: Contents, at_ms: int) -> Stage:
        """Return what would be sold at an instant if these contents were published too."""
        book = with_contents(book_at(self.publications, at_ms), "draft", contents)
        return _stage(self.shelf, book, rates_on(self.table, day_of(at_ms)), (at_ms, _Ledger({}, {})))

    @property
    def changes_ms(self) -> int:
        """When the second stage begins."""
        return self.stages[1].from_ms if len(self.stages) > 1 else FOREVER_MS


@dataclass(slots=True)
class _Ledger:
    """What is noted while a stage is made."""

    versions: dict[str, Version]
    in_force: dict[Place, str]

    def note(self, place: Place, price: Price, terms: Mapping[str, Any]) -> str:
        found = version_of(place, price, terms)
        self.versions[found.id] = found
        self.in_force[place] = found.id
        return found.id


def day_of(at_ms: int) -> date:
    """Return the day of an instant, UTC: the day by which exchange rates begin."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).date()


def rates_on(table: FxTable, day: date) -> FxTable:
    """Return the one rate of each pair that is in force on a day."""
    pairs = sorted({each.pair for each in table.rates})
    return FxTable(tuple(table.on(pair, day) for pair in pairs))


def _instants(publications: Sequence[Publication], table: FxTable, now_ms: int) -> list[int]:
    midnights = [int(datetime.combine(each.valid_from, time(0), UTC).timestamp()) * 1000 for each in table.rates]
    later = {*changes_after(publications, now_ms), *(each for each in midnights if each > now_ms)}
    return [now_ms, *sorted(later)[: MOST_STAGES - 1]]


def prices_of(shelf: Shelf, publications: Sequence[Publication], table: FxTable, now_ms: int) -> Prices:
    """Return the stages from now on."""
    stages: list[Stage] = []
    versions: dict[str, Version] = {}
    first: dict[Place, str] = {}
    rates: dict[str, FxRate] = {}
    for instant in _instants(publications, table, now_ms):
        in_force = rates_on(table, day_of(instant))
        rates.update({fx_id(each): each for each in in_force.rates})
        ledger = _Ledger(versions, {})
        stages.append(_stage(shelf, book_at(publications, instant), in_force, (instant, ledger)))
        if not first:
            first = ledger.in_force
    starts = {each.id: each.from_ms for each in publications}
    since = {
        (SELL if part == "sell" else COST, name, STANDARD): starts[source]
        for (part, name), source in book_at(publications, now_ms).sources.items()
        if part != "lists"
    }
    known = (shelf, tuple(publications), table)
    return Prices(tuple(stages), versions, first, since, tuple(rates.values()), *known)


def _stage(shelf: Shelf, book: Book, table: FxTable, noted: tuple[int, _Ledger]) -> Stage:
    instant, ledger = noted
    shelved, terms = shelf(table)
    models: dict[str, ServedModel] = {}
    listed: dict[tuple[str, str], ServedModel] = {}
    for name, model in shelved.items():
        standard = book.sell.get(name, model.price)
        offers = tuple(_offer(each, book, table, ledger) for each in model.offers)
        if standard is None:
            models[name] = replace(model, price=None, price_version=NONE, offers=offers)
            continue
        own = {"origin": "book", "publication": book.sources["sell", name]} if name in book.sell else terms[name]
        version = ledger.note((SELL, name, STANDARD), standard, own)
        models[name] = served = replace(model, price=standard, price_version=version, offers=offers)
        for list_name, each in book.lists.items() if offers and model.model.vendor != PLAY else ():
            rule = each.rule(name)
            if rule is not None:
                price = listed_price(standard, rule)
                made = {"origin": "list", "list": list_name, "rule": shown_rule(rule), "standard": version}
                of_list = ledger.note((SELL, name, list_name), price, made)
                listed[list_name, name] = replace(served, price=price, price_version=of_list)
    return Stage(instant, models, listed)


def _offer(offer: ServedOffer, book: Book, table: FxTable, ledger: _Ledger) -> ServedOffer:
    name = offer.offer.id
    cost = book.cost.get(name, offer.cost)
    if cost is None:
        return offer
    own = {"origin": "book", "publication": book.sources["cost", name]} if name in book.cost else {"origin": "offer"}
    ledger.note((COST, name, STANDARD), cost, own)
    return replace(offer, cost=cost, fx_id=_rate_id(cost.currency, table))


def _rate_id(currency: str, table: FxTable) -> str | None:
    if currency == "USD":
        return None
    try:
        return fx_id(table.newest(f"{currency}/USD"))
    except FxUnknownError:
        return None


def catalog_terms(price: Price, currency: str | None, table: FxTable, markup: Decimal) -> dict[str, Any]:
    """Return what made a sell price of the catalog: its list's day, the exchange rate, the operator's markup."""
    terms: dict[str, Any] = {"origin": "catalog", "source": price.source, "source_date": price.source_date}
    if currency is not None and currency != "USD":
        terms["fx"] = shown_fx(table.newest(f"{currency}/USD"))
    if currency is not None and markup != 1:
        terms["markup"] = str(markup)
    return terms
