"""A set-up as the text of a file: what ``apply`` reads back as the same items. Pure.

Tables are written as headers down to the item; what is inside an item stands on one line, in the order of the
documentation. Secrets are written as ``env:NAME``, always.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smartoken.operations.setup_items import Item, Kind

HEAD = """\
# The set-up of this gateway, as `smartoken export` wrote it. Secrets are left out: each stands as env:NAME.
# `smartoken apply` keeps a stored secret whose variable is not set; on a new gateway set them first.
"""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_RENAMED = {"input_modalities": "input"}
_DATES = {"until", "source_date"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def text_of(value: Any, key: str = "") -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        if key in _DATES and _DAY.fullmatch(value):
            return value
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(name)} = {text_of(each, name)}" for name, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(text_of(each) for each in value)}]"
    raise TypeError(f"a set-up holds no {type(value).__name__}")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [f"{_key(_RENAMED.get(name, name))} = {text_of(value, name)}" for name, value in values.items()]


def document(items: Iterable[Item], variables: Mapping[str, str], balances: Mapping[str, str]) -> str:
    """Return the file's text; ``variables`` are the names for secrets by label, ``balances`` by account."""
    found = tuple(items)
    blocks = [HEAD]
    for item in found:
        if item.kind is Kind.SITE:
            blocks.append(_block("[site]", item.view))
        elif item.kind is Kind.FX:
            pair, _, day = item.name.partition(" ")
            lines = [f"pair = {text_of(pair)}", f"rate = {text_of(item.view['rate'])}", f"valid_from = {day}"]
            blocks.append("\n".join(["[[fx]]", *lines, f"source = {text_of(item.view['source'])}", ""]))
        elif item.kind is Kind.PROVIDER:
            keys = [_provider_key(each, variables) for each in _children(found, item, Kind.PROVIDER_KEY)]
            blocks.append(_block("[[provider]]", {"id": item.name, **item.view, "keys": keys}))
        elif item.kind is Kind.MODEL:
            blocks.append(_block("[[model]]", {"id": item.name, **item.view}))
            blocks.extend(_block("[[model.offer]]", each.view) for each in _children(found, item, Kind.OFFER))
        elif item.kind is Kind.ACCOUNT:
            view = {"id": item.name, **_budgeted(item.view)}
            if item.name in balances:
                view["balance"] = balances[item.name]
            blocks.append(_block("[[account]]", view))
            blocks.extend(_api_key(each, variables) for each in _children(found, item, Kind.KEY))
    return "\n".join(blocks)


def _block(header: str, values: Mapping[str, Any]) -> str:
    return "\n".join([header, *_lines(values), ""])


def _children(items: Iterable[Item], parent: Item, kind: Kind) -> list[Item]:
    return [each for each in items if each.kind is kind and each.parent == parent.name]


def _budgeted(view: Mapping[str, Any]) -> dict[str, Any]:
    budgets = [{"limit": limit, "period": period} for period, limit in view["budgets"].items()]
    return {**{name: value for name, value in view.items() if name != "budgets"}, "budgets": budgets}


def _provider_key(item: Item, variables: Mapping[str, str]) -> dict[str, Any]:
    return {"name": item.name.partition("/")[2], "secret": f"env:{variables[item.label]}", **item.view}


def _api_key(item: Item, variables: Mapping[str, str]) -> str:
    named = {"name": item.name.partition("/")[2], "secret": f"env:{variables[item.label]}"}
    return _block("[[account.key]]", {**named, **_budgeted(item.view)})
