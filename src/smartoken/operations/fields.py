"""Checks of what the control API is given for accounts and keys: the same rules as the set-up file has. Pure.

Each check returns the column's value or raises ``InvalidRequestError`` that names the parameter and the fix.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from smartoken.errors import InvalidRequestError
from smartoken.money import InvalidAmountError, parse_amount
from smartoken.operations.setup_accounts import PERIODS, SLUG, instant_ms, origin_fault

LIMITS = ("rpm", "tpm", "concurrency")
_MOST_RATE = 10**9
_END_MS = 221_845_392_000_000  # the year 9000; a month more or less is an instant too


def text(value: str, param: str, most: int) -> str:
    """Return text without blanks around it, not empty, of a bounded length."""
    stripped = value.strip()
    if not stripped or len(stripped) > most or not stripped.isprintable():
        raise InvalidRequestError(f"`{param}` must be 1 to {most} printable characters.", param=param)
    return stripped


def maybe_text(value: str | None, param: str, most: int) -> str | None:
    """Return text, None for none at all."""
    return None if value is None or not value.strip() else text(value, param, most)


def slug(value: str) -> str:
    """Return an account's short name."""
    if not SLUG.fullmatch(value):
        raise InvalidRequestError("`slug` must be lower-case letters, digits and hyphens, at most 64.", param="slug")
    return value


def email(value: str | None, param: str) -> str | None:
    """Return an e-mail address."""
    found = maybe_text(value, param, 254)
    if found is not None and (found.count("@") != 1 or found.startswith("@") or found.endswith("@") or " " in found):
        raise InvalidRequestError(f"`{param}` must be an address such as ops@example.com.", param=param)
    return found


def zone(value: str, param: str = "timezone") -> str:
    """Return an IANA time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:  # a folder of the zone database is an OSError
        raise InvalidRequestError(f'`{param}` must be an IANA name such as "Europe/Berlin".', param=param) from problem
    return value


def amount(value: str, param: str) -> int:
    """Return a decimal string that is not negative, in nano-USD."""
    try:
        nano = parse_amount(value)
    except InvalidAmountError as problem:
        raise InvalidRequestError(f"`{param}`: {problem}.", param=param) from problem
    if nano < 0:
        raise InvalidRequestError(f"`{param}` must be 0 or more.", param=param)
    return nano


def budgets(wanted: Sequence[Mapping[str, str]], param: str = "budgets") -> dict[str, int]:
    """Return limits in nano-USD by period; a scope has one budget a period."""
    found: dict[str, int] = {}
    for each in wanted:
        period = each["period"]
        if period not in PERIODS:
            raise InvalidRequestError(f"`{param}` periods are {', '.join(PERIODS)}.", param=param)
        if period in found:
            raise InvalidRequestError(f"`{param}` has two budgets for the period {period}.", param=param)
        found[period] = amount(each["limit"], param)
    return found


def policy(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data policy."""
    regions = [text(each, "policy.regions", 16) for each in wanted.get("regions", ())]
    wrong = [each for each in regions if each != each.lower()]
    if wrong:
        raise InvalidRequestError("`policy.regions` must hold lower-case codes.", param="policy.regions")
    return {"regions": sorted(set(regions)), "no_training": bool(wanted.get("no_training", False))}


def addresses(wanted: Sequence[str]) -> list[str]:
    """Return addresses and CIDR ranges in their plain form."""
    try:
        return sorted({str(ip_network(each, strict=False)) for each in wanted})
    except ValueError as problem:
        raise InvalidRequestError(
            "`allowed_ips` must hold addresses or CIDR ranges such as 10.0.0.0/8.", param="allowed_ips"
        ) from problem


def origins(wanted: Sequence[str]) -> list[str]:
    """Return web origins."""
    for each in wanted:
        fault = origin_fault(each)
        if fault is not None:
            raise InvalidRequestError(f"`allowed_origins` {fault}.", param="allowed_origins")
    return sorted(set(wanted))


def patterns(wanted: Sequence[str]) -> list[str]:
    """Return model patterns, each once."""
    return list(dict.fromkeys(text(each, "models", 200) for each in wanted))


def limit(value: int, param: str) -> int:
    """Return a rate limit; 0 means none."""
    if not 0 <= value <= _MOST_RATE:
        raise InvalidRequestError(f"`{param}` must be from 0 (no limit) to {_MOST_RATE}.", param=param)
    return value


def instant(value: str, param: str) -> int:
    """Return an instant of RFC 3339 in milliseconds since the epoch."""
    try:
        found = instant_ms(value)
    except (ValueError, OverflowError) as problem:
        raise InvalidRequestError(f'`{param}` must be such as "2027-01-31T00:00:00Z".', param=param) from problem
    if not 0 <= found < _END_MS:
        raise InvalidRequestError(f"`{param}` must lie between the years 1970 and 9000.", param=param)
    return found
