"""The control plane's own description, as a reader needs it: operations by topic, with fields in plain words. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field of a body, an answer or a query."""

    name: str
    kind: str
    required: bool
    said: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint."""

    method: str
    path: str
    said: str
    permission: str
    takes: tuple[FieldLine, ...]  # of the path and the query
    body: tuple[FieldLine, ...]
    answers: tuple[FieldLine, ...]
    status: str

    @property
    def anchor(self) -> str:
        """The operation's place on its page."""
        return f"{self.method}-{self.path}".lower().translate(str.maketrans("/{}_", "----")).strip("-")


def topics(described: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """Return every operation by its topic, topics and paths in order."""
    schemas: Mapping[str, Any] = described.get("components", {}).get("schemas", {})
    found: dict[str, list[Operation]] = {}
    for path, methods in sorted(described.get("paths", {}).items()):
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                topic = str(next(iter(operation.get("tags", ())), "other")).replace("_", "-").replace(" ", "-").lower()
                found.setdefault(topic, []).append(_operation(method, path, operation, schemas))
    return dict(sorted(found.items()))


def _operation(method: str, path: str, facts: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    scopes = [scope for each in facts.get("security", ()) for names in each.values() for scope in names]
    status = next((each for each in sorted(facts.get("responses", {})) if each.startswith("2")), "")
    answer = facts.get("responses", {}).get(status, {}).get("content", {}).get("application/json", {}).get("schema", {})
    body = facts.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return Operation(
        method=method.upper(),
        path=path,
        said=" ".join(str(facts.get("description") or facts.get("summary") or "").split()),
        permission=", ".join(scopes),
        takes=tuple(
            FieldLine(each["name"], kind(each.get("schema", {})), bool(each.get("required")), _said(each))
            for each in facts.get("parameters", ())
        ),
        body=fields(body, schemas),
        answers=fields(answer, schemas),
        status=status,
    )


def _said(facts: Mapping[str, Any]) -> str:
    return str(facts.get("description") or facts.get("schema", {}).get("description") or "")


def fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[FieldLine, ...]:
    """Return the fields of an object, those within another as ``outer.inner`` one level deep."""
    found = _resolved(schema, schemas)
    required = set(found.get("required", ()))
    lines: list[FieldLine] = []
    for name, each in found.get("properties", {}).items():
        lines.append(FieldLine(name, kind(each), name in required, str(each.get("description", ""))))
        inner = _resolved(_inside(each), schemas)
        prefix = f"{name}[]." if each.get("type") == "array" else f"{name}."
        within = inner.get("required", ())
        lines.extend(
            FieldLine(prefix + key, kind(value), key in within, str(value.get("description", "")))
            for key, value in inner.get("properties", {}).items()
        )
    return tuple(lines)


def _inside(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if schema.get("type") == "array":
        inner: Mapping[str, Any] = schema.get("items", {})
        return inner
    return next((each for each in schema.get("anyOf", ()) if "$ref" in each), schema)


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = schemas.get(name, {}) if name else schema
    return found


def kind(schema: Mapping[str, Any]) -> str:
    """Return a field's type in words."""
    if "$ref" in schema:
        return "object"
    if "enum" in schema:
        return " | ".join(f'"{each}"' for each in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    named = {"integer": "whole number", "null": "null", "string": "text", "boolean": "true or false"}
    word = str(schema.get("type", "any"))
    return named.get(word, word)
