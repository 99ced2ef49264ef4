"""What is wrong with a body or query, in the interface's own words. Pure.

The framework checks; its words never leave. What was sent is not repeated, since it may be a secret.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from smartoken.errors import InvalidRequestError

# The checks of the framework by their names; the words may use what the check says of itself.
_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here; see /api/openapi.json",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_unicode": "holds a NUL or half a surrogate pair, which no text has here",
    "string_pattern_mismatch": "is not in the form that is taken here; see /api/openapi.json",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
}
_SEND = "Send a JSON object, {} where nothing is to be said, with the header `Content-Type: application/json`."
_OTHER = "is not what is taken here; see /api/openapi.json"


def malformed(found: Sequence[Mapping[str, Any]]) -> InvalidRequestError:
    """Return the error for the first field that is wrong."""
    first: Mapping[str, Any] = found[0] if found else {}
    kind = str(first.get("type", ""))
    if kind == "json_invalid":
        return InvalidRequestError("The body is not valid JSON.", remedy=_SEND)
    place = [str(each) for each in first.get("loc", ())]
    param = ".".join(place[1:]) or None
    context = first.get("ctx")
    words = _WORDS.get(kind, _OTHER).format_map(context if isinstance(context, Mapping) else {})
    if param is None and kind == "missing":
        return InvalidRequestError("The body is empty; send a JSON object.", remedy=_SEND)
    if param is None and kind == "model_attributes_type":
        return InvalidRequestError("The body is no JSON object, or its content type does not say JSON.", remedy=_SEND)
    subject = f"`{param}`" if param is not None else "The body"
    return InvalidRequestError(f"{subject} {words}.", param=param)
