"""What a draft of the price book would change: every price before and after, and the last 30 days worked out again.

The stored calls are priced twice, by the prices that would be in force without the draft and with it, each under its
account's price list as it is now. What cannot be worked out is counted and said, never left out in silence: calls
beyond the newest ``MOST_CALLS``, calls whose tokens are unknown, and calls of which only an assumption tells whether
they thought. Only usage as it was counts; who would call less at another price is not foreseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from smartoken.billing.price_book import Contents
from smartoken.billing.repricing import Repricer
from smartoken.catalog.holidays import is_holiday
from smartoken.catalog.offers import Price
from smartoken.money import amount_text
from smartoken.operations import price_queries, price_words
from smartoken.operations.directory import Directory
from smartoken.operations.office import Work
from smartoken.operations.prices import SHELF
from smartoken.operations.rights import Permission, demand
from smartoken.operations.served import Stage
from smartoken.operations.setup_accounts import instant_text
from smartoken.operations.setup_items import differences
from smartoken.operations.setup_prices import read_price, written

DAYS = 30
DAY_MS = 86_400_000
MOST_CALLS = 100_000
MOST_ROWS = 500
_NO_CONTENTS = Contents()


@dataclass(slots=True)
class Sums:
    """Calls and what they come to before and after."""

    calls: int = 0
    before: int = 0
    after: int = 0

    def add(self, before: int, after: int) -> None:
        """Count a call."""
        self.calls += 1
        self.before += before
        self.after += after

    def shown(self) -> dict[str, Any]:
        """Return them as the API shows them."""
        change = self.after - self.before
        return {
            "calls": self.calls,
            "before_usd": amount_text(self.before),
            "after_usd": amount_text(self.after),
            "delta_usd": amount_text(change),
            "delta_percent": f"{_tenths(change, self.before)}" if self.before else None,
        }


def _tenths(part: int, whole: int) -> str:
    tenths = (abs(part) * 1000 + whole // 2) // whole
    return f"{'-' if part < 0 else ''}{tenths // 10}.{tenths % 10}"


@dataclass(slots=True)
class _Effect:
    """What is added up over calls."""

    groups: dict[tuple[str, str | None], Sums] = field(default_factory=dict)
    costs: dict[tuple[str, str], Sums] = field(default_factory=dict)
    total: Sums = field(default_factory=Sums)
    charged: int = 0
    unknown: int = 0
    assumed: int = 0
    versions: Mapping[str, Price | None] = field(default_factory=dict)
    repricer: Repricer = field(default_factory=lambda: Repricer(is_holiday))


def diff(conn: Connection, work: Work, directory: Directory, publication_id: str) -> dict[str, Any]:
    """Return what a draft (or a publication that is still to come) would change.

    Raises:
        NotFoundError: there is none of this id.

    """
    demand(work.actor, Permission.PRICES_READ)
    row = SHELF.row_of(conn, publication_id)
    contents = price_words.stored(row["contents"])
    prices = directory.prices
    assert prices is not None  # noqa: S101 - a directory that was loaded has its prices
    at_ms = max(row["from_ms"] or work.now_ms, work.now_ms)
    before, after = prices.stage_with(_NO_CONTENTS, at_ms), prices.stage_with(contents, at_ms)
    changed = sorted(_changed_models(before, after))
    return {
        "id": publication_id,
        "from": instant_text(at_ms),
        "changes": [*_price_changes(before, after), *_cost_changes(before, after)],
        "accounts": sorted(
            each.slug for each in directory.accounts.values() if each.price_list in contents.lists
        ),
        "effect": _effect(conn, work, changed, (before, after)),
    }  # fmt: skip


def _changed_models(before: Stage, after: Stage) -> set[str]:
    lists = {*before.listed, *after.listed}
    sells = {name for name, served in after.models.items() if served.price != _price_in(before, name)}
    sells |= {name for listed, name in lists if _listed(before, listed, name) != _listed(after, listed, name)}
    costs = {name for name, served in after.models.items() if served.offers != before.models[name].offers}
    return sells | costs


def _price_in(stage: Stage, name: str) -> Price | None:
    return stage.models[name].price if name in stage.models else None


def _listed(stage: Stage, price_list: str, name: str) -> Price | None:
    found = stage.listed.get((price_list, name))
    return found.price if found is not None else None


def _price_changes(before: Stage, after: Stage) -> list[dict[str, Any]]:
    found = []
    for name, served in sorted(after.models.items()):
        found += _change("sell", name, _price_in(before, name), served.price)
    for listed, name in sorted({*before.listed, *after.listed}):
        old, new = _listed(before, listed, name), _listed(after, listed, name)
        found += [{**each, "price_list": listed} for each in _change("sell", name, old, new)]
    return found


def _cost_changes(before: Stage, after: Stage) -> list[dict[str, Any]]:
    found = []
    for name, served in sorted(after.models.items()):
        old = {each.offer.id: each.cost for each in before.models[name].offers}
        for each in served.offers:
            found += _change("cost", each.offer.id, old.get(each.offer.id), each.cost)
    return found


def _change(kind: str, subject: str, old: Price | None, new: Price | None) -> list[dict[str, Any]]:
    if old == new:
        return []
    words = [written(each) if each is not None else {} for each in (old, new)]
    rows = [{"name": name, "before": was, "after": now} for name, was, now in differences(words[0], words[1])]
    return [{"kind": kind, "subject": subject, "price_list": None, "fields": rows}]


def _effect(conn: Connection, work: Work, changed: list[str], stages: tuple[Stage, Stage]) -> dict[str, Any]:
    span = (work.now_ms - DAYS * DAY_MS, work.now_ms)
    rows = price_queries.priced_calls(conn, span, changed, MOST_CALLS)
    counted, charged = price_queries.count_calls(conn, span, changed)
    stored = price_queries.versions(conn, {each["price_version"] for each in rows})
    effect = _Effect(versions={name: read_price(each["price"]) for name, each in stored.items()})
    for row in rows:
        _add(effect, row, stages)
    groups = sorted(effect.groups.items(), key=lambda each: (-abs(each[1].after - each[1].before), str(each[0])))
    return {
        "from": instant_text(span[0]),
        "to": instant_text(span[1]),
        "total": effect.total.shown(),
        "data": [{"model": model, "account": slug, **sums.shown()} for (model, slug), sums in groups[:MOST_ROWS]],
        "costs": [
            {"offer": offer, "currency": currency, "calls": sums.calls, "before": amount_text(sums.before),
             "after": amount_text(sums.after), "delta": amount_text(sums.after - sums.before)}
            for (offer, currency), sums in sorted(effect.costs.items())
        ],
        "not_recomputed": {
            "beyond_newest": counted - len(rows),
            "beyond_newest_charged_usd": amount_text(charged - sum(each["charge_nano"] for each in rows)),
            "tokens_unknown": effect.unknown,
            "thinking_assumed": effect.assumed,
            "groups_not_shown": max(0, len(groups) - MOST_ROWS),
        },
    }  # fmt: skip


def _add(effect: _Effect, row: Mapping[str, Any], stages: tuple[Stage, Stage]) -> None:
    name = row["model"].lower()
    own = effect.versions.get(row["price_version"])
    figures = []
    for stage in stages:
        served = stage.models.get(name)
        price = stage.sold(served, row["price_list"]).price if served is not None else None
        figures.append((None, False) if price is None else effect.repricer.by(price, row, own))
    (before, assumed), (after, _) = figures
    if before is None or after is None:
        effect.unknown += 1
        return
    effect.assumed += assumed
    effect.total.add(before, after)
    effect.groups.setdefault((row["model"], row["slug"]), Sums()).add(before, after)
    costs = [_cost(stage, name, row["offer"]) for stage in stages]
    if costs[0] is not None and costs[1] is not None and costs[0] != costs[1]:
        pair = [effect.repricer.by(each, row, own)[0] for each in costs if each is not None]
        if pair[0] is not None and pair[1] is not None and costs[0].currency == costs[1].currency:
            effect.costs.setdefault((row["offer"], costs[0].currency), Sums()).add(pair[0], pair[1])


def _cost(stage: Stage, name: str, offer: str | None) -> Price | None:
    served = stage.models.get(name)
    return next((each.cost for each in served.offers if each.offer.id == offer), None) if served is not None else None
