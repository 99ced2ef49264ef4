"""What a publication of the price book sets, between its shape and JSON: prices in the words of the set-up file. Pure.

    {"sell": {"test/alpha": {"currency": "USD", "input": "0.60", "output": "1.80"}, "test/beta": null},
     "cost": {"up1:test/alpha": {"currency": "CNY", "input": "2", "output": "3"}},
     "lists": {"partners": {"percent": "-10", "models": {"qwen/*": {"percent": "-15"}}}}}

``null`` takes an entry back. What comes from outside is read as strictly as a file.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from smartoken.billing.price_book import Contents, PriceList, Rule, parse_percent, percent_text
from smartoken.catalog import price_file
from smartoken.catalog.offers import Price
from smartoken.catalog.strict import CatalogError, parse_toml
from smartoken.errors import InvalidRequestError
from smartoken.operations.setup_prices import read_price, written
from smartoken.operations.setup_text import text_of

T = TypeVar("T")
PARTS = ("sell", "cost", "lists")
MOST_ENTRIES = 2_000
NAME_LENGTH = 64
_RULE = ("percent", "price")


def shown(contents: Contents) -> dict[str, Any]:
    """Return contents as JSON."""
    return {
        "sell": {name: _written(price) for name, price in contents.sell.items()},
        "cost": {name: _written(price) for name, price in contents.cost.items()},
        "lists": {name: None if each is None else shown_list(each) for name, each in contents.lists.items()},
    }


def _written(price: Price | None) -> dict[str, Any] | None:
    return None if price is None else written(price)


def shown_list(listed: PriceList) -> dict[str, Any]:
    """Return a price list as JSON."""
    found: dict[str, Any] = {} if listed.every is None else {"percent": percent_text(listed.every.change)}
    if listed.models:
        found["models"] = {name: shown_rule(rule) for name, rule in listed.models.items()}
    return found


def shown_rule(rule: Rule) -> dict[str, Any]:
    """Return a list's rule as JSON."""
    return {"percent": percent_text(rule.change)} if rule.price is None else {"price": written(rule.price)}


def stored(kept: Mapping[str, Any]) -> Contents:
    """Return contents that were stored."""
    return Contents(
        {name: read_price(each) for name, each in kept.get("sell", {}).items()},
        {name: read_price(each) for name, each in kept.get("cost", {}).items()},
        {name: None if each is None else _stored_list(each) for name, each in kept.get("lists", {}).items()},
    )


def _stored_list(kept: Mapping[str, Any]) -> PriceList:
    every = Rule(parse_percent(kept["percent"])) if "percent" in kept else None
    return PriceList(every, {name: _stored_rule(each) for name, each in kept.get("models", {}).items()})


def _stored_rule(kept: Mapping[str, Any]) -> Rule:
    return Rule(parse_percent(kept["percent"])) if "percent" in kept else Rule(price=read_price(kept["price"]))


def read(given: Mapping[str, Any]) -> Contents:
    """Return contents that an operator gave.

    Raises:
        InvalidRequestError: something is wrong; the parameter is named.

    """
    unknown = sorted(set(given) - set(PARTS))
    if unknown:
        raise InvalidRequestError(f"`{unknown[0]}` is unknown; known are {', '.join(PARTS)}.", param=unknown[0])
    sell = _entries(given, "sell", lambda each, param: given_price(each, param, currency="USD"))
    cost = _entries(given, "cost", given_price)
    lists = _entries(given, "lists", _given_list)
    if not (sell or cost or lists):
        raise InvalidRequestError("A publication sets something: `sell`, `cost` or `lists`.", param="sell")
    if len(sell) + len(cost) + len(lists) > MOST_ENTRIES:
        raise InvalidRequestError(f"A publication sets at most {MOST_ENTRIES} entries.", param="sell")
    return Contents({name.lower(): each for name, each in sell.items()}, cost, lists)


def _entries(given: Mapping[str, Any], part: str, read_one: Callable[[Any, str], T]) -> dict[str, T | None]:
    entries = given.get(part, {})
    if not isinstance(entries, Mapping):
        raise InvalidRequestError(f"`{part}` must be an object by name.", param=part)
    return {name: None if each is None else read_one(each, f"{part}.{name}") for name, each in entries.items()}


def given_price(given: Any, param: str, *, currency: str | None = None) -> Price:
    """Return a price that an operator gave, read as strictly as the set-up file's.

    Raises:
        InvalidRequestError: something is wrong; the parameter is named.

    """
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"`{param}` must be a price, an object, or null to take it back.", param=param)
    try:
        table = parse_toml(f"price = {text_of(given)}", param)
        price = price_file.read_price(table.table("price"))
        table.done()
    except CatalogError as problem:
        raise InvalidRequestError(f"`{param}`: {problem.message}.", param=param) from None
    except TypeError:
        message = f'`{param}` holds a number that is no integer: rates are decimal strings such as "0.50".'
        raise InvalidRequestError(message, param=param) from None
    if currency is not None and price.currency != currency:
        message = f"`{param}` must be in {currency}, the currency of wallets; what you pay is set under `cost`."
        raise InvalidRequestError(message, param=param)
    return price


def _given_list(given: Any, param: str) -> PriceList:
    if not isinstance(given, Mapping) or set(given) - {"percent", "models"}:
        raise InvalidRequestError(f"`{param}` takes `percent` and `models`, or null to take it back.", param=param)
    name = param.partition(".")[2]
    if not name or len(name) > NAME_LENGTH or not name.isprintable():
        raise InvalidRequestError(f"`{param}`: a list's name has 1 to {NAME_LENGTH} printable characters.", param=param)
    models = given.get("models", {})
    if not isinstance(models, Mapping) or not ("percent" in given or models):
        raise InvalidRequestError(f"`{param}` needs `percent`, or `models` with a rule each.", param=param)
    every = Rule(_percent(given["percent"], f"{param}.percent")) if "percent" in given else None
    rules = {key.lower(): _given_rule(each, f"{param}.models.{key}") for key, each in models.items()}
    return PriceList(every, rules)


def _given_rule(given: Any, param: str) -> Rule:
    if not isinstance(given, Mapping) or len(given) != 1 or next(iter(given)) not in _RULE:
        raise InvalidRequestError(f"`{param}` takes either `percent` or `price`.", param=param)
    if "percent" in given:
        return Rule(_percent(given["percent"], f"{param}.percent"))
    return Rule(price=given_price(given["price"], f"{param}.price", currency="USD"))


def _percent(given: Any, param: str) -> int:
    try:
        return parse_percent(given if isinstance(given, str) else "")
    except ValueError as problem:
        raise InvalidRequestError(f"`{param}`: {problem}.", param=param) from None
