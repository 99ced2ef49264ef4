"""Simple values that satisfy a JSON schema: what the sandbox calls tools with and answers in JSON mode. Pure.

Only required properties are filled. ``pattern`` is not understood: a field that needs one gets its ``default``, first
``examples`` entry or the plain text. References must be local (``#/...``); nesting ends at depth 12 with ``null``.
"""

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 12
MAX_FILL = 1_000
_FORMATS = {
    "date": "2026-01-15",
    "time": "09:30:00Z",
    "date-time": "2026-01-15T09:30:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}
_NAMED = {"city": "Paris", "location": "Paris", "country": "France", "unit": "celsius", "name": "Alice"}


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#"):
        return schema
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _number(schema: Mapping[str, Any], step: int) -> Any:
    value = schema.get("minimum", 1 if schema.get("maximum", 1) >= 1 else schema["maximum"])
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        value = schema["exclusiveMinimum"] + step
    multiple = schema.get("multipleOf")
    if multiple:
        value = -(-value // multiple) * multiple
    return int(value) if step and value == int(value) else value


def _text(schema: Mapping[str, Any], name: str) -> str:
    value = _FORMATS.get(str(schema.get("format")), _NAMED.get(name, "text"))
    shortest, longest = int(schema.get("minLength", 0)), int(schema.get("maxLength", MAX_FILL))
    return (value + "x" * (min(shortest, MAX_FILL) - len(value)))[:longest]


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """Join ``allOf`` into one schema; properties and required names add up."""
    whole = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        resolved = _resolve(part, root)
        for key, value in resolved.items():
            if key == "properties":
                whole[key] = {**whole.get(key, {}), **value}
            elif key == "required":
                whole[key] = [*whole.get(key, []), *value]
            else:
                whole.setdefault(key, value)
    return whole


def _fill(schema: Any, root: Mapping[str, Any], name: str, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return "text" if schema is True else None
    schema = _resolve(schema, root)
    for chosen in ("const", "default"):
        if chosen in schema:
            return schema[chosen]
    for several in ("enum", "examples"):
        if isinstance(schema.get(several), list) and schema[several]:
            return schema[several][0]
    if schema.get("allOf"):
        schema = _merged(schema, root)
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return _fill(schema[choice][0], root, name, depth + 1)
    match _kind(schema):
        case "object":
            properties = schema.get("properties", {})
            return {each: _fill(properties.get(each, {}), root, each, depth + 1) for each in schema.get("required", ())}
        case "array":
            length = min(max(schema.get("minItems", 1), 1), MAX_FILL)
            if schema.get("maxItems") == 0:
                return []
            return [_fill(schema.get("items", {}), root, name, depth + 1)] * length
        case "integer":
            return _number(schema, 1)
        case "number":
            return _number(schema, 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema, name)


def sample(schema: Any) -> Any:
    """Return a small value that the schema accepts; an empty schema gives an empty object."""
    if not isinstance(schema, Mapping) or not schema:
        return {}
    return _fill(schema, schema, "", 0)
