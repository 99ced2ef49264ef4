"""A provider's file and the file of exchange rates, as ``docs/catalog.md`` describes them."""

import re

from smartoken.catalog.fx import FxRate, FxTable
from smartoken.catalog.model_file import read_policy
from smartoken.catalog.offers import DataPolicy
from smartoken.catalog.price_file import CURRENCIES
from smartoken.catalog.providers import KeyVariable, ProviderRecord, Region
from smartoken.catalog.strict import Table

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_API_KEY")
_PAIR = re.compile(r"[A-Z]{3}/[A-Z]{3}")


def read_provider(table: Table, provider_id: str) -> ProviderRecord:
    """Read a provider's file; the id comes from the file's name.

    Raises:
        CatalogError: a key is missing, wrong or unknown, or names a region that the file lacks.

    """
    regions = tuple(_read_region(each) for each in table.tables("region"))
    names = {name for each in regions for name in (each.id, *each.aliases)}
    if len(names) < sum(1 + len(each.aliases) for each in regions):
        raise table.error("two regions share an id or an alias", "region")
    ids = [each.id for each in regions]
    if not ids:
        raise table.error("a provider needs at least one [[region]]")
    return ProviderRecord(
        id=provider_id,
        name=table.text("name"),
        name_zh=table.text("name_zh"),
        dialect=table.text("dialect"),
        keys=tuple(_read_key(each, ids) for each in table.tables("key")),
        regions=regions,
        default_region=table.text("default_region", choices=ids),
        key_url=_https(table, "key_url"),
        concurrency_per_account=table.flag("concurrency_per_account", default=False),
        notes=table.text("notes", ""),
    )


def _read_region(table: Table) -> Region:
    policy = table.maybe_table("policy")
    return Region(
        id=table.text("id"),
        base_url=_https(table, "base_url"),
        location=table.text("location"),
        currency=table.text("currency", choices=CURRENCIES),
        aliases=table.texts("aliases", ()),
        policy=read_policy(policy) if policy else DataPolicy(),
    )


def _read_key(table: Table, regions: list[str]) -> KeyVariable:
    name = table.text("env")
    if not _VARIABLE.fullmatch(name):
        raise table.error(f"`env` must be a name in capitals that ends in _API_KEY, not {name!r}", "env")
    return KeyVariable(name=name, region=table.text("region", choices=regions))


def _https(table: Table, key: str) -> str:
    url = table.text(key)
    if not url.startswith("https://") or url.endswith("/"):
        raise table.error(f"`{key}` must start with https:// and not end with a slash, not {url!r}", key)
    return url


def read_fx(table: Table, key: str = "rate") -> FxTable:
    """Read the exchange rates of an array of tables: ``[[rate]]`` in the catalog, ``[[fx]]`` in ``apply``.

    Raises:
        CatalogError: a key is missing, wrong or unknown.

    """
    return FxTable(tuple(_read_rate(each) for each in table.tables(key)))


def _read_rate(table: Table) -> FxRate:
    pair = table.text("pair")
    if not _PAIR.fullmatch(pair):
        raise table.error(f'`pair` must be two currencies such as "CNY/USD", not {pair!r}', "pair")
    return FxRate(
        pair=pair,
        rate_nano=table.exchange_rate("rate"),
        valid_from=table.day("valid_from"),
        source=table.text("source"),
    )
