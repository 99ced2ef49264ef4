"""A price with everything that made it, under an id made from just that. Pure.

The id is the call's ``price_version``: the same model at the same price by the same terms has the same version,
whichever worker works it out and however often, and another price never has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

import orjson

from smartoken.catalog.fx import FxRate
from smartoken.catalog.offers import Price
from smartoken.operations.setup_prices import written

SELL, COST = "sell", "cost"
STANDARD = ""  # the price list of the standard price
NONE = "none"  # the version of no price
_DIGITS = 24
_REMEMBERED = 8_192


@dataclass(frozen=True, slots=True)
class Version:
    """An immutable price."""

    id: str
    kind: str  # sell | cost
    subject: str  # a model of a sell price, an offer of a cost
    price_list: str  # "" for the standard price
    price: Mapping[str, Any]  # in the words of the set-up file
    terms: Mapping[str, Any] = field(default_factory=dict)  # origin, exchange rate, markup, the list's rule

    def row(self, now_ms: int) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "id": self.id,
            "kind": self.kind,
            "subject": self.subject,
            "price_list": self.price_list,
            "price": dict(self.price),
            "terms": dict(self.terms),
            "created_ms": now_ms,
        }


def version_of(place: tuple[str, str, str], price: Price, terms: Mapping[str, Any]) -> Version:
    """Return the version of a price at a place ``(kind, subject, price list)``."""
    return _version(place, price, orjson.dumps(dict(terms), option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=_REMEMBERED)  # a directory is loaded again and again, and its prices hardly ever change
def _version(place: tuple[str, str, str], price: Price, terms: bytes) -> Version:
    kind, subject, price_list = place
    words, made_by = written(price), orjson.loads(terms)
    content = orjson.dumps([kind, subject, price_list, words, made_by], option=orjson.OPT_SORT_KEYS)
    version = f"{made_by['origin']}:{sha256(content).hexdigest()[:_DIGITS]}"
    return Version(version, kind, subject, price_list, words, made_by)


def fx_id(rate: FxRate) -> str:
    """Return the id under which a rate is kept with calls: it says the whole rate, so it never means another."""
    return f"fx:{rate.pair}:{rate.valid_from.isoformat()}:{rate.rate_nano}"


def fx_row(rate: FxRate, now_ms: int) -> dict[str, Any]:
    """Return a rate as it is kept."""
    return {
        "id": fx_id(rate),
        "pair": rate.pair,
        "rate_nano": rate.rate_nano,
        "valid_from": rate.valid_from.isoformat(),
        "source": rate.source,
        "created_ms": now_ms,
    }


def shown_fx(rate: FxRate) -> dict[str, Any]:
    """Return a rate as versions show it."""
    whole, fraction = divmod(rate.rate_nano, 10**9)
    text = f"{whole}.{str(fraction).rjust(9, '0').rstrip('0') or '0'}"
    return {
        "id": fx_id(rate),
        "pair": rate.pair,
        "rate": text,
        "valid_from": rate.valid_from.isoformat(),
        "source": rate.source,
    }
