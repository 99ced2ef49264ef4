"""The filters and the order of the list of models, read from the address. The API shares these words. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from smartoken.money import MICRO
from smartoken.web.views import CURRENT, Row

CAN = ("tools", "json", "vision", "reasoning")
CONTEXTS = (32_000, 128_000, 200_000, 1_000_000)
PAGE = 50
_FAR = 2**62
_MAX_PAGE = 99
SORTS: Mapping[str, tuple[str, Callable[[Row], tuple[object, ...]]]] = {
    "name": ("Name", lambda row: (row.name.lower(),)),
    "input": ("Input price", lambda row: (_FAR if row.input is None else row.input, row.name.lower())),
    "output": ("Output price", lambda row: (_FAR if row.output is None else row.output, row.name.lower())),
    "context": ("Context", lambda row: (-(row.context or 0), row.name.lower())),
    "newest": ("Newest", lambda row: (-(row.released or date.min).toordinal(), row.name.lower())),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """What a visitor asked for; ``max_price`` is the input price per 1M tokens."""

    q: str = ""
    can: tuple[str, ...] = ()
    context: int = 0
    max_price: str = ""
    family: tuple[str, ...] = ()
    ready: bool = False
    older: bool = False  # legacy and deprecated models too
    sort: str = "newest"
    page: int = 1

    @property
    def any(self) -> bool:
        """Whether anything is filtered away."""
        return bool(self.q or self.can or self.context or self.max_price or self.family or self.ready)

    def address(self, **changes: object) -> str:
        """Return the address of this list with some words changed."""
        values: dict[str, object] = {
            "q": self.q,
            "can": list(self.can),
            "context": self.context or "",
            "price": self.max_price,
            "family": list(self.family),
            "ready": "1" if self.ready else "",
            "older": "1" if self.older else "",
            "sort": self.sort if self.sort != "newest" else "",
            "page": "",
            **changes,
        }
        kept = {name: value for name, value in values.items() if value not in ("", [], 1)}
        return "/models" + (f"?{urlencode(kept, doseq=True)}" if kept else "")


def read(query: Mapping[str, tuple[str, ...]]) -> Filter:
    """Read a filter from query parameters; words that mean nothing are passed over."""

    def first(name: str) -> str:
        return next(iter(query.get(name, ())), "").strip()

    context, page, sort = first("context"), first("page"), first("sort")
    return Filter(
        q=first("q")[:100],
        can=tuple(each for each in CAN if each in query.get("can", ())),
        context=int(context) if re.fullmatch(r"[0-9]{1,9}", context) else 0,
        max_price=first("price") if _price(first("price")) is not None else "",
        family=tuple(sorted({each for each in query.get("family", ()) if each}))[:20],
        ready=first("ready") == "1",
        older=first("older") == "1",
        sort=sort if sort in SORTS else "newest",
        page=min(max(int(page), 1), _MAX_PAGE) if re.fullmatch(r"[0-9]{1,3}", page) else 1,
    )


def _price(text: str) -> int | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return int(value * MICRO) if value.is_finite() and 0 <= value < MICRO else None


def apply(rows: Iterable[Row], wanted: Filter) -> list[Row]:
    """Return the models that fit all of it, in the order asked for; the sandbox's come last."""
    words = wanted.q.lower().split()
    most = _price(wanted.max_price) if wanted.max_price else None
    found = [
        each
        for each in rows
        if (wanted.older or each.status == CURRENT)
        and set(wanted.can) <= set(each.abilities)
        and (not wanted.context or (each.context or 0) >= wanted.context)
        and (most is None or (each.input is not None and each.input <= most))
        and (not wanted.family or each.family in wanted.family)
        and (not wanted.ready or each.ready)
        and all(word in f"{each.id} {each.name} {each.family} {each.vendor}".lower() for word in words)
    ]
    order = SORTS[wanted.sort][1]
    return sorted(found, key=lambda each: (each.play, *order(each)))


def page_of(rows: Sequence[Row], number: int) -> tuple[Sequence[Row], int]:
    """Return one page of rows and how many pages there are."""
    pages = max(1, -(-len(rows) // PAGE))
    number = min(number, pages)
    return rows[(number - 1) * PAGE : number * PAGE], pages
