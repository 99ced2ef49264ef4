import jsonschema_rs
import pytest

from smartoken.sandbox.samples import sample

SCHEMAS = [
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 5}, "b": {"type": "number"}},
        "required": ["a"],
    },
    {"type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 3}}, "required": ["n"]},
    {"type": "object", "properties": {"n": {"type": "integer", "maximum": -4}}, "required": ["n"]},
    {"type": "object", "properties": {"n": {"type": "integer", "minimum": 7, "multipleOf": 5}}, "required": ["n"]},
    {"type": "object", "properties": {"u": {"enum": ["celsius", "kelvin"]}}, "required": ["u"]},
    {"type": "object", "properties": {"u": {"const": 3}}, "required": ["u"]},
    {"type": "object", "properties": {"s": {"type": "string", "minLength": 40, "maxLength": 41}}, "required": ["s"]},
    {"type": "object", "properties": {"s": {"type": "string", "maxLength": 2}}, "required": ["s"]},
    {"type": "object", "properties": {"d": {"type": "string", "format": "date-time"}}, "required": ["d"]},
    {
        "type": "object",
        "properties": {"l": {"type": "array", "items": {"type": "boolean"}, "minItems": 3}},
        "required": ["l"],
    },
    {"type": "object", "properties": {"l": {"type": "array", "maxItems": 0}}, "required": ["l"]},
    {"type": "object", "properties": {"x": {"anyOf": [{"type": "null"}, {"type": "string"}]}}, "required": ["x"]},
    {"type": "object", "properties": {"x": {"type": ["null", "integer"]}}, "required": ["x"]},
    {
        "type": "object",
        "properties": {"p": {"$ref": "#/$defs/point"}},
        "required": ["p"],
        "$defs": {"point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
        "additionalProperties": False,
    },
    {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["b"]}], "type": "object"},
    {"type": "array", "items": {"type": "integer"}},
    {"type": "string"},
    {"type": "null"},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_a_sample_satisfies_its_schema(schema):
    jsonschema_rs.validate(schema, sample(schema))


def test_only_required_properties_are_filled():
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["b"]}
    assert sample(schema) == {"b": "text"}


@pytest.mark.parametrize("schema", [{}, None, True, "nonsense"])
def test_no_schema_gives_an_empty_object(schema):
    assert sample(schema) == {}


def test_a_schema_that_refers_to_itself_ends():
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert sample(schema)["next"]["next"]
