"""The price book: what an operator published, from when, and what a price list makes of it. Pure.

A *publication* sets prices from an instant on: sell prices by model, costs by offer, price lists by name; ``None``
takes an entry back, so that the set-up file or the catalog counts again. The book at an instant is the fold of
everything published until then, in the order of the instants and, among equals, of publication. A publication never
changes; undoing one is another that puts back what stood before it.

A price list changes the standard price of a model by a percentage or puts a price of its own in its place. A rate that
a percentage would bring below zero is zero; each rate is rounded up to a whole pico-unit.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from smartoken.catalog.offers import Band, Price

T = TypeVar("T")
WHOLE = 10_000  # hundredths of a percent
MOST_PERCENT = 1_000
_PERCENT = re.compile(r"([+-]?)([0-9]{1,4})(?:\.([0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a list makes of a standard price: a change in hundredths of a percent, or a price of its own."""

    change: int = 0
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class PriceList:
    """A named list: a rule for every model, and rules for models by id or by a beginning such as ``qwen/*``."""

    every: Rule | None = None
    models: Mapping[str, Rule] = field(default_factory=dict)

    def rule(self, model_id: str) -> Rule | None:
        """Return the rule of a model: that of its id, else of the longest beginning, else the one for every model."""
        lowered = model_id.lower()
        exact = self.models.get(lowered)
        if exact is not None:
            return exact
        begins = [each for each in self.models if each.endswith("*") and lowered.startswith(each[:-1])]
        return self.models[max(begins, key=len)] if begins else self.every


@dataclass(frozen=True, slots=True)
class Contents:
    """What a publication sets: sell prices by model, costs by offer, lists by name; None takes an entry back."""

    sell: Mapping[str, Price | None] = field(default_factory=dict)
    cost: Mapping[str, Price | None] = field(default_factory=dict)
    lists: Mapping[str, PriceList | None] = field(default_factory=dict)

    def subjects(self) -> list[tuple[str, str]]:
        """Return what is set, as (part, name)."""
        parts = (("sell", self.sell), ("cost", self.cost), ("lists", self.lists))
        return [(part, name) for part, entries in parts for name in entries]


@dataclass(frozen=True, slots=True)
class Publication:
    """Contents that hold from an instant on."""

    id: str
    from_ms: int
    published_ms: int
    contents: Contents


@dataclass(frozen=True, slots=True)
class Book:
    """The book at an instant; only what stands in it."""

    sell: Mapping[str, Price] = field(default_factory=dict)
    cost: Mapping[str, Price] = field(default_factory=dict)
    lists: Mapping[str, PriceList] = field(default_factory=dict)
    sources: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (part, name) -> the publication


def in_order(publications: Iterable[Publication]) -> list[Publication]:
    """Return publications in the order in which they count."""
    return sorted(publications, key=lambda each: (each.from_ms, each.published_ms, each.id))


def book_at(publications: Iterable[Publication], at_ms: int) -> Book:
    """Return the book at an instant."""
    return _fold([each for each in in_order(publications) if each.from_ms <= at_ms])


def with_contents(book: Book, publication_id: str, contents: Contents) -> Book:
    """Return the book as it would stand with further contents."""
    sell, cost, lists, sources = dict(book.sell), dict(book.cost), dict(book.lists), dict(book.sources)
    _put(sell, contents.sell)
    _put(cost, contents.cost)
    _put(lists, contents.lists)
    sources.update(dict.fromkeys(contents.subjects(), publication_id))
    return Book(sell, cost, lists, sources)


def _fold(publications: Iterable[Publication]) -> Book:
    book = Book()
    for each in publications:
        book = with_contents(book, each.id, each.contents)
    return book


def _put(entries: dict[str, T], changes: Mapping[str, T | None]) -> None:
    for name, value in changes.items():
        if value is None:
            entries.pop(name, None)
        else:
            entries[name] = value


def changes_after(publications: Iterable[Publication], after_ms: int) -> list[int]:
    """Return the instants at which the book changes, later than one."""
    return sorted({each.from_ms for each in publications if each.from_ms > after_ms})


def undo(publications: Sequence[Publication], target: Publication) -> tuple[Contents, list[tuple[str, str]]]:
    """Return contents that put back what stood before a publication, and what a later one set and is left alone."""
    ordered = in_order(publications)
    place = [each.id for each in ordered].index(target.id)
    before = _fold(ordered[:place])
    later = {subject for each in ordered[place + 1 :] for subject in each.contents.subjects()}
    kept = [subject for subject in target.contents.subjects() if subject not in later]
    sell: dict[str, Price | None] = {name: before.sell.get(name) for part, name in kept if part == "sell"}
    cost: dict[str, Price | None] = {name: before.cost.get(name) for part, name in kept if part == "cost"}
    lists: dict[str, PriceList | None] = {name: before.lists.get(name) for part, name in kept if part == "lists"}
    left = [subject for subject in target.contents.subjects() if subject in later]
    return Contents(sell, cost, lists), left


def parse_percent(text: str) -> int:
    """Return a change such as ``"-12.5"`` in hundredths of a percent.

    Raises:
        ValueError: no decimal of at most two places, or beyond 1000 %.

    """
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise ValueError(f'a percentage is a decimal string such as "-10" or "12.5", not {text[:40]!r}')
    value = int(match[2]) * 100 + int((match[3] or "").ljust(2, "0"))
    if value > MOST_PERCENT * 100:
        raise ValueError(f"a percentage is at most {MOST_PERCENT}, not {text}")
    return -value if match[1] == "-" else value


def percent_text(change: int) -> str:
    """Return hundredths of a percent as a decimal string."""
    whole, rest = divmod(abs(change), 100)
    digits = f"{rest:02d}".rstrip("0")
    return f"{'-' if change < 0 else ''}{whole}{'.' + digits if digits else ''}"


def changed_rate(rate: int, change: int) -> int:
    """Return a rate changed by hundredths of a percent, rounded up, never below zero."""
    factor = max(0, WHOLE + change)
    return -(-rate * factor // WHOLE)


def listed_price(standard: Price, rule: Rule) -> Price:
    """Return the price of a model under a list's rule."""
    if rule.price is not None:
        return rule.price
    return replace(standard, bands=tuple(_band(each, rule.change) for each in standard.bands))


def _band(band: Band, change: int) -> Band:
    def maybe(rate: int | None) -> int | None:
        return None if rate is None else changed_rate(rate, change)

    return replace(
        band,
        input=changed_rate(band.input, change),
        output=changed_rate(band.output, change),
        cached_input=maybe(band.cached_input),
        cache_write=maybe(band.cache_write),
        audio_input=maybe(band.audio_input),
    )
