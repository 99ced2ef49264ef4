"""Which funds pay for a call, and in which order. Pure.

A fund is a wallet or a grant. The order in which funds burn is: priority, then those that expire before those that do
not, sooner before later, promotional before paid, then the id, so that it is the same everywhere and at any time.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Fund:
    """A source of money, as the order of burning sees it; ``id`` is its book and its row.

    ``models`` are patterns in which ``*`` stands for any characters; none at all means every model but those that match
    one of ``except_models``. It holds from ``effective_ms`` on and until just before ``expires_ms``.
    """

    id: str
    priority: int = 0  # lower burns first
    effective_ms: int | None = None
    expires_ms: int | None = None
    promotional: bool = False
    models: tuple[str, ...] = ()
    except_models: tuple[str, ...] = ()  # real money never pays for play, so a wallet has the sandbox's models here


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.lower().split("*"))))


def covers(fund: Fund, model: str) -> bool:
    """Whether a fund may pay for a model."""
    name = model.lower()
    if any(_pattern(each).fullmatch(name) for each in fund.except_models):
        return False
    return not fund.models or any(_pattern(each).fullmatch(name) for each in fund.models)


def in_force(fund: Fund, at_ms: int) -> bool:
    """Whether a fund has begun and has not expired."""
    begun = fund.effective_ms is None or fund.effective_ms <= at_ms
    return begun and not expired(fund, at_ms)


def expired(fund: Fund, at_ms: int) -> bool:
    """Whether a fund's time is over: from the instant of its expiry on."""
    return fund.expires_ms is not None and fund.expires_ms <= at_ms


def burn_key(fund: Fund) -> tuple[int, bool, int, bool, str]:
    """Return what funds are ordered by."""
    never = fund.expires_ms is None
    return fund.priority, never, fund.expires_ms or 0, not fund.promotional, fund.id


def burn_order(funds: Iterable[Fund], model: str, at_ms: int) -> tuple[Fund, ...]:
    """Return the funds that may pay for a call to a model now, first to burn first."""
    return tuple(sorted((each for each in funds if covers(each, model) and in_force(each, at_ms)), key=burn_key))


def burn(order: Sequence[str], free: Mapping[str, int], nano: int) -> tuple[tuple[tuple[str, int], ...], int]:
    """Split an amount over funds in their order; returns ``(fund, amount)`` lines and what no fund could pay."""
    lines: list[tuple[str, int]] = []
    for each in order:
        share = min(max(free.get(each, 0), 0), nano)
        if share:
            lines.append((each, share))
            nano -= share
    return tuple(lines), nano
