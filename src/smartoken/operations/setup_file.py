"""The set-up file, read strictly: providers, models, exchange rates and the site; accounts are ``setup_accounts``.

Every refusal is a ``CatalogError`` with file and line and what to write instead. What only the store knows (whether a
provider exists, whether a key's text is taken) is checked by ``setup``, which raises at the same lines.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from smartoken.catalog.model_file import CANCEL_POLICIES, MODALITIES
from smartoken.catalog.offers import Price
from smartoken.catalog.price_file import read_price
from smartoken.catalog.provider_file import read_fx
from smartoken.catalog.strict import Table, parse_toml
from smartoken.money import amount_text
from smartoken.operations.setup_accounts import given, read_account
from smartoken.operations.setup_items import GivenSecret, Item, Kind, SetupFile
from smartoken.operations.setup_prices import written
from smartoken.providers.address import literal, name_refusal, refusal
from smartoken.providers.proxy import Proxy, ProxyError
from smartoken.providers.registry import DIALECTS
from smartoken.providers.upstream import Peer, PeerError
from smartoken.store.vault import Secret

Variables = Mapping[str, str]
_PROVIDER_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MARKUP = re.compile(r"(0|[1-9][0-9]{0,2})(\.[0-9]{1,6})?")
UPSTREAM_MODEL = 200  # characters that the column takes
_MOST_MARKUP = 100
_RESERVED = ("sandbox", "upstream")
_TIMEOUTS = {"connect_s": 5, "first_byte_s": 60, "idle_s": 60, "total_s": 600}
_ABILITIES = ("tools", "json_mode", "json_schema", "vision", "prefix")
_SHARE = 100
_DAY_S = 86_400


def read_setup(text: str, path: str, variables: Variables) -> SetupFile:
    """Read a set-up file; ``variables`` are looked up for ``env:`` secrets, a name that is not set stays open.

    Raises:
        CatalogError: the file is wrong, with path, line and the fix.

    """
    table = parse_toml(text, path)
    items: list[Item] = []
    site = table.maybe_table("site")
    if site is not None:
        items.append(_read_site(site))
    items.extend(_read_rates(table))
    for each in table.tables("provider"):
        items.extend(_read_provider(each, variables))
    for each in table.tables("model"):
        items.extend(_read_model(each))
    for each in table.tables("account"):
        items.extend(read_account(each, lambda key: read_secret(key, variables)))
    table.done()
    _refuse_twins(items, table)
    sections = frozenset(name for name in ("site", "fx", "provider", "model", "account") if given(table, name))
    return SetupFile(tuple(items), sections)


def _refuse_twins(items: list[Item], table: Table) -> None:
    seen: set[tuple[Kind, str]] = set()
    for each in items:
        name = (each.kind, each.name.lower())
        if name in seen:
            raise (each.where or table).error(f"{each.label} stands in the file twice")
        seen.add(name)


def read_secret(table: Table, variables: Variables) -> GivenSecret | None:
    """Read ``secret``; ``env:NAME`` is looked up. None where it is absent.

    Raises:
        CatalogError: the name is no name, or the value has blanks or control characters in it.

    """
    text = table.maybe_text("secret")
    if text is None:
        return None
    if not text.startswith("env:"):
        return GivenSecret(None, Secret(_checked_secret(table, text)))
    name = text.removeprefix("env:")
    if not _VARIABLE.fullmatch(name):
        raise table.error('`secret` must be "env:NAME" with the name of a variable', "secret")
    value = variables.get(name, "").strip()
    return GivenSecret(name, Secret(_checked_secret(table, value)) if value else None)


def _checked_secret(table: Table, text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise table.error("`secret` must be printable ASCII without blanks", "secret")
    return text


def _read_site(table: Table) -> Item:
    view = {name: table.text(name, "") for name in ("name", "logo", "support_email", "terms", "privacy")}
    shown = {name: value for name, value in view.items() if value}
    shows = table.flag("show_providers", default=True)
    email = shown.get("support_email")
    if email is not None and "@" not in email:
        raise table.error("`support_email` must be an address such as help@example.com", "support_email")
    for name in ("logo", "terms", "privacy"):
        if name in shown and not shown[name].startswith(("https://", "http://", "/")):
            raise table.error(f"`{name}` must be a URL or a path that starts with /", name)
    if "markup" in table:
        shown["markup"] = _markup(table)
    if "approval_limit" in table:
        shown["approval_limit"] = amount_text(_approval_limit(table))
    return Item(Kind.SITE, "", {**shown, "show_providers": shows}, where=table)


def _approval_limit(table: Table) -> int:
    found = table.amount("approval_limit")
    if found < 0:
        raise table.error('`approval_limit` must be at least "0", which lets each of them wait', "approval_limit")
    return found


def _markup(table: Table) -> str:
    """Read what the catalog's sell prices are multiplied by: above zero, at most 100."""
    text = table.text("markup")
    if not _MARKUP.fullmatch(text) or not 0 < Decimal(text) <= _MOST_MARKUP:
        raise table.error('`markup` must be a decimal string above 0 and at most 100, such as "1.10"', "markup")
    return text


def _read_rates(table: Table) -> list[Item]:
    rates = read_fx(table, "fx").rates
    return [
        Item(
            Kind.FX,
            f"{each.pair} {each.valid_from.isoformat()}",
            {"rate": _fx_text(each.rate_nano), "source": each.source},
            where=where,
        )
        for each, where in zip(rates, table.tables("fx"), strict=True)
    ]


def _fx_text(rate_nano: int) -> str:
    whole, fraction = divmod(rate_nano, 10**9)
    return f"{whole}.{str(fraction).rjust(9, '0').rstrip('0') or '0'}"


def _read_provider(table: Table, variables: Variables) -> list[Item]:
    name = table.text("id")
    if not _PROVIDER_ID.fullmatch(name):
        raise table.error("`id` must be lower-case letters, digits, dots and hyphens, at most 64", "id")
    if name in _RESERVED:
        raise table.error(f"`id`: {name} is built in; choose another", "id")
    private = table.flag("allow_private", default=False)
    view: dict[str, Any] = {
        "dialect": table.text("dialect", choices=tuple(DIALECTS)),
        "base_url": _base_url(table, allow_private=private),
        "allow_private": private,
        "timeouts": _timeouts(table.maybe_table("timeouts")),
    }
    if given(table, "proxy"):
        view["proxy"] = _proxy(table)
    region = table.maybe_text("region")
    if region is not None:
        view["region"] = region
    keys = [_provider_key(each, name, variables) for each in table.tables("keys")]
    if not keys:
        raise table.error(
            '`keys` needs an entry: keys = [{ name = "main", secret = "env:NAME" }]; any word where no key is asked for'
        )
    return [Item(Kind.PROVIDER, name, view, where=table), *keys]


def _base_url(table: Table, *, allow_private: bool) -> str:
    url = table.text("base_url").rstrip("/")
    try:
        peer = Peer.parse(url)
    except PeerError as problem:
        raise table.error(f"`base_url`: {problem}", "base_url") from problem
    address = literal(peer.host)
    why = refusal(address) if address is not None else name_refusal(peer.host)
    if why is not None and not allow_private:
        misspelt = table.misspelt("allow_private")
        if misspelt is not None:
            raise misspelt
        raise table.error(f"`base_url`: {peer.host} is {why}; if you mean it, add allow_private = true", "base_url")
    return url


def _timeouts(table: Table | None) -> dict[str, int]:
    if table is None:
        return dict(_TIMEOUTS)
    return {name: table.whole(name, default, least=1, most=_DAY_S) for name, default in _TIMEOUTS.items()}


def _proxy(table: Table) -> str:
    url = table.text("proxy")
    try:
        proxy = Proxy.parse(url)
    except ProxyError as problem:
        raise table.error(f"`proxy`: {problem}", "proxy") from problem
    if proxy.authorization:
        raise table.error("`proxy` must not hold a password; set HTTPS_PROXY for a proxy that asks for one", "proxy")
    return str(proxy)


def _provider_key(table: Table, provider: str, variables: Variables) -> Item:
    name = _short(table, "name", 64)
    secret = read_secret(table, variables)
    if secret is None:
        raise table.error('missing key `secret`: add secret = "env:NAME"')
    view = {"rpm": table.whole("rpm", 0, most=10**9), "concurrency": table.whole("concurrency", 0, most=10**6)}
    return Item(Kind.PROVIDER_KEY, f"{provider}/{name}", view, provider, secret, where=table)


def _short(table: Table, key: str, most: int) -> str:
    text = table.text(key)
    if len(text) > most or not text.isprintable() or "/" in text:
        raise table.error(f"`{key}` must be at most {most} characters without a slash or control character", key)
    return text


def _read_model(table: Table) -> list[Item]:
    name = table.text("id")
    if not _MODEL_ID.fullmatch(name):
        raise table.error("`id` must be letters, digits and . _ : / -, at most 128, such as test/alpha", "id")
    if name.lower().partition("/")[0] in _RESERVED:
        raise table.error(f"`id`: {name.partition('/')[0]}/ is built in; choose another name", "id")
    view: dict[str, Any] = {}
    shown = table.maybe_text("name")
    if shown is not None:
        view["name"] = shown
    for key in ("context", "max_output"):
        if given(table, key):
            view[key] = table.whole(key, least=1)
    if view.get("max_output", 0) > view.get("context", 2**53):
        raise table.error("`max_output` is above `context`", "max_output")
    price = table.maybe_table("price")
    if price is not None:
        view["price"] = written(_sell_price(price))
    view.update(_abilities(table))
    offers = [_read_offer(each, name) for each in table.tables("offer")]
    _check_shares(table, offers)
    return [Item(Kind.MODEL, name, view, where=table), *offers]


def _sell_price(table: Table) -> Price:
    price = read_price(table)
    if price.currency != "USD":
        raise table.error("`price` must be in USD, the currency of wallets; what you pay goes into `cost`", "currency")
    return price


def _abilities(table: Table) -> dict[str, Any]:
    """Read what a model can do; whatever is left out is as in the catalog, or unknown."""
    view: dict[str, Any] = {}
    if given(table, "input"):
        values = table.texts("input")
        if not values or not set(values) <= set(MODALITIES):
            raise table.error(f"`input` must name some of {', '.join(MODALITIES)}", "input")
        view["input_modalities"] = list(values)
    abilities = table.maybe_table("abilities")
    if abilities is not None:
        view["abilities"] = {name: abilities.flag(name) for name in _ABILITIES if given(abilities, name)}
    reasoning = table.maybe_table("reasoning")
    if reasoning is not None:
        flags = ("can_disable", "default_on", "limit_covers_reasoning")
        view["reasoning"] = {
            "supported": reasoning.flag("supported"),
            **{name: reasoning.flag(name) for name in flags if given(reasoning, name)},
        }
        if given(reasoning, "efforts"):
            view["reasoning"]["efforts"] = list(reasoning.texts("efforts"))
        if given(reasoning, "max_budget_tokens"):
            view["reasoning"]["max_budget_tokens"] = reasoning.whole("max_budget_tokens", least=1)
    return view


def _read_offer(table: Table, model: str) -> Item:
    provider = table.text("provider")
    upstream = table.text("upstream_model")
    if len(upstream) > UPSTREAM_MODEL or not upstream.isprintable():
        raise table.error(f"`upstream_model` must be at most {UPSTREAM_MODEL} printable characters", "upstream_model")
    view: dict[str, Any] = {
        "provider": provider,
        "upstream_model": upstream,
        "tier": table.whole("tier", 1, least=1, most=99),
        "share": table.whole("share", _SHARE, least=1, most=_SHARE),
    }
    cost = table.maybe_table("cost")
    if cost is not None:
        view["cost"] = written(read_price(cost))
    for key in ("context", "max_output"):
        if given(table, key):
            view[key] = table.whole(key, least=1)
    if given(table, "cancel"):
        view["cancel"] = table.text("cancel", choices=CANCEL_POLICIES)
    policy = table.maybe_table("policy")
    if policy is not None:
        view["policy"] = _offer_policy(policy)
    return Item(Kind.OFFER, f"{provider}:{model}", view, model, where=table)


def _offer_policy(table: Table) -> dict[str, Any]:
    words = {name: table.text(name) for name in ("region", "entity", "retention", "source") if given(table, name)}
    return {**words, **{name: table.flag(name) for name in ("trains", "logs") if given(table, name)}}


def _check_shares(table: Table, offers: list[Item]) -> None:
    for tier in sorted({each.view["tier"] for each in offers}):
        inside = [each for each in offers if each.view["tier"] == tier]
        total = sum(each.view["share"] for each in inside)
        if total != _SHARE:
            for each in offers:
                (each.where or table).done()  # a misspelt `tier` or `share` is told as such
            where = inside[-1].where or table
            raise where.error(f"the shares of tier {tier} add to {total}, not 100", "share")
