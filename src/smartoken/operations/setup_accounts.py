"""Accounts and their keys in the set-up file, read strictly; every refusal names file and line. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from smartoken.catalog.strict import Table
from smartoken.identity.keys import well_formed
from smartoken.money import amount_text
from smartoken.operations.setup_items import GivenSecret, Item, Kind

PERIODS = ("total", "day", "week", "month")
BILLING = ("prepaid", "open")
DEMO = "demo"
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_REGION = re.compile(r"[a-z][a-z0-9-]{1,15}")
_MOST_RATE = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ReadSecret = Callable[[Table], GivenSecret | None]


def read_account(table: Table, read_secret: ReadSecret) -> list[Item]:
    """Read one account and its keys.

    Raises:
        CatalogError: a key is missing, wrong or unknown.

    """
    name = table.text("id")
    if not SLUG.fullmatch(name):
        raise table.error("`id` must be lower-case letters, digits and hyphens, at most 64", "id")
    if name == DEMO:
        raise table.error("`id`: the account demo is built in; choose another", "id")
    billing = table.text("billing", "prepaid", choices=BILLING)
    credit = table.maybe_amount("credit_limit") or 0
    if credit < 0 or (credit and billing != "open"):
        raise table.error('`credit_limit` must be 0 or more, and needs billing = "open"', "credit_limit")
    view: dict[str, Any] = {
        "name": words(table, "name", name, 200),
        "timezone": zone(table),
        "billing": billing,
        "credit_limit": amount_text(credit),
        "policy": _policy(table.maybe_table("policy")),
        "budgets": _budgets(table),
    }
    if given(table, "owner_email"):
        view["owner_email"] = _email(table, "owner_email")
    balance = table.maybe_amount("balance") or 0
    if balance < 0:
        raise table.error("`balance` must be 0 or more", "balance")
    keys = [_read_key(each, name, read_secret) for each in table.tables("key")]
    return [Item(Kind.ACCOUNT, name, view, once={"balance": balance}, where=table), *keys]


def given(table: Table, key: str) -> bool:
    """Whether a key is written; either way the reader knows it from now on, for its suggestions."""
    if key in table:
        return True
    table.text(key, "")
    return False


def words(table: Table, key: str, default: str, most: int) -> str:
    """Read free text of a bounded length."""
    text = table.text(key, default)
    if len(text) > most or not text.isprintable():
        raise table.error(f"`{key}` must be at most {most} printable characters", key)
    return text


def zone(table: Table) -> str:
    """Read an IANA time zone."""
    name = table.text("timezone", "UTC")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:  # a folder of the zone database is an OSError
        raise table.error('`timezone` must be an IANA name such as "Europe/Berlin"', "timezone") from problem
    return name


def _email(table: Table, key: str) -> str:
    text = words(table, key, "", 254)
    local, at, host = text.partition("@")
    if not (local and at and host) or " " in text:
        raise table.error(f"`{key}` must be an address such as ops@example.com", key)
    return text


def _policy(table: Table | None) -> dict[str, Any]:
    if table is None:
        return {"regions": [], "no_training": False}
    regions = table.texts("regions", ())
    wrong = next((each for each in regions if not _REGION.fullmatch(each)), None)
    if wrong is not None:
        raise table.error(f'`regions` must hold lower-case codes such as "sg" or "eu", not {wrong!r}', "regions")
    return {"regions": sorted(regions), "no_training": table.flag("no_training", default=False)}


def _limit(table: Table, key: str) -> str:
    nano = table.amount(key)
    if nano < 0:
        raise table.error(f'`{key}` must be 0 or more; "0" blocks, leave it out for no budget', key)
    return amount_text(nano)


def _budgets(table: Table) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in table.tables("budgets"):
        period = each.text("period", choices=PERIODS)
        if period in found:
            raise each.error(f"there are two budgets for the period {period}", "period")
        found[period] = _limit(each, "limit")
    return found


def _key_budgets(table: Table) -> dict[str, str]:
    """Read ``budget`` with ``period``, or ``budgets`` as an account has them."""
    found = _budgets(table)
    period = table.text("period", "total", choices=PERIODS)
    if not given(table, "budget"):
        return found
    if period in found:
        raise table.error(f"there are two budgets for the period {period}", "budget")
    return {**found, period: _limit(table, "budget")}


def _read_key(table: Table, account: str, read_secret: ReadSecret) -> Item:
    name = words(table, "name", "", 200) if given(table, "name") else table.text("name")
    if not name or "/" in name:
        raise table.error("`name` must not be empty or hold a slash", "name")
    secret = read_secret(table)
    if secret is not None and secret.value is not None and not well_formed(secret.value.reveal()):
        raise table.error("`secret` is no key of this gateway; `smartoken key mint` prints one that is", "secret")
    limits = table.maybe_table("limits")
    view: dict[str, Any] = {
        "environment": words(table, "environment", "development", 64),
        "models": list(table.texts("models", ())),
        "budgets": _key_budgets(table),
        "policy": _policy(table.maybe_table("policy")),
        "allowed_ips": _addresses(table),
        "allowed_origins": _origins(table),
        "limits": {
            each: limits.whole(each, 0, most=_MOST_RATE) if limits is not None else 0
            for each in ("rpm", "tpm", "concurrency")
        },
    }
    if not view["environment"]:
        raise table.error("`environment` must not be empty", "environment")
    for key, most in (("owner", 254), ("workflow", 200)):
        if given(table, key):
            view[key] = words(table, key, "", most)
    if table.flag("continuation", default=False):
        view["continuation"] = True
    if given(table, "expires_at"):
        view["expires_at"] = _instant(table)
    return Item(Kind.KEY, f"{account}/{name}", view, account, secret, where=table)


def _addresses(table: Table) -> list[str]:
    found = []
    for each in table.texts("allowed_ips", ()):
        try:
            found.append(str(ip_network(each, strict=False)))
        except ValueError as problem:
            message = f"`allowed_ips` must hold addresses or CIDR ranges, not {each!r}"
            raise table.error(message, "allowed_ips") from problem
    return sorted(set(found))


def origin_fault(origin: str) -> str | None:
    """Return what is wrong with a web origin, None when it is one (or ``*``)."""
    parts = urlsplit(origin)
    plain = parts.scheme in ("http", "https") and parts.hostname and not (parts.path or parts.query or parts.fragment)
    return None if origin == "*" or plain else f'must be such as "https://app.example.com", not {origin!r}'


def _origins(table: Table) -> list[str]:
    found = table.texts("allowed_origins", ())
    for each in found:
        fault = origin_fault(each)
        if fault is not None:
            raise table.error(f"`allowed_origins` {fault}", "allowed_origins")
    return sorted(found)


def _instant(table: Table) -> str:
    text = table.text("expires_at")
    try:
        return instant_text(instant_ms(text))
    except ValueError as problem:
        raise table.error(
            '`expires_at` must be such as "2027-01-31T00:00:00Z", with its zone', "expires_at"
        ) from problem


def instant_text(moment_ms: int) -> str:
    """Return an instant as RFC 3339 in UTC, always with milliseconds, so that texts sort as their instants do."""
    whole, rest = divmod(moment_ms, 1000)
    text = (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z"


def instant_ms(text: str) -> int:
    """Return an instant of RFC 3339 in milliseconds since the epoch.

    Raises:
        ValueError: the text is no instant, or has no zone.

    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant needs its zone: end it with Z")
    return (moment - _EPOCH) // timedelta(milliseconds=1)
