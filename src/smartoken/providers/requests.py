"""What is sent upstream: the client's body in the dialect's words. Pure.

The promise: what the customer sent is never altered. A parameter is passed, renamed (same meaning, other name), or
refused with its name; a parameter that the vendor ignores travels and a warning names it. Unknown fields travel
untouched, and the client's dictionary is never mutated.
"""

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from smartoken.catalog.offers import Model, Offer
from smartoken.errors import InvalidRequestError
from smartoken.providers import thinking
from smartoken.providers.dialect import Action, Dialect, Limit, Rule

ASSUMED_LIMIT = 4_096  # only to ask which name a limit would be sent under
_LIMIT_NAMES = ("max_tokens", "max_completion_tokens")


class Outgoing(NamedTuple):
    """A body ready for the upstream and what the client must be told about it.

    ``warnings`` are short ASCII words for a header: ``temperature-ignored``, ``reasoning_effort-sent-as-high``.
    """

    body: dict[str, Any]
    warnings: tuple[str, ...] = ()


def fits(upstream_model: str, globs: Sequence[str]) -> bool:
    """Say whether an upstream model id matches one of the globs; case does not count, nor does a path before it."""
    if globs == ("*",):
        return True
    name = upstream_model.lower()
    return any(fnmatchcase(name, glob) or fnmatchcase(name.rpartition("/")[2], glob) for glob in globs)


def limit_name(dialect: Dialect, body: Mapping[str, Any], limit: int) -> Limit:
    """Choose the name under which the output limit is sent: the client's own if the vendor takes it, else the first.

    A name whose ceiling is below the limit is passed over.
    """
    open_names = [each for each in dialect.limits if each.ceiling is None or limit <= each.ceiling]
    for each in open_names:
        if body.get(each.name) is not None:
            return each
    return open_names[0] if open_names else dialect.limits[0]


def limit_covers_reasoning(dialect: Dialect, model: Model, body: Mapping[str, Any], limit: int) -> bool:
    """Say whether thinking counts against the limit that will be sent; unknown counts as no (money.md 2.3)."""
    if not model.reasoning.supported:
        return True
    known = model.reasoning.limit_covers_reasoning
    return known if known is not None else limit_name(dialect, body, limit).covers_reasoning is True


def hides_reasoning(dialect: Dialect, upstream_model: str) -> bool:
    """Say whether the model bills thinking that its answer does not show."""
    return fits(upstream_model, dialect.hidden_reasoning)


def stays_silent(dialect: Dialect, model: Model, body: Mapping[str, Any]) -> bool:
    """Say whether it is known that no thinking will happen: the model does none, or it is switched off."""
    if not model.reasoning.supported:
        return True
    return dialect.switch.translated and thinking.thinking_on(dialect, model, body) is False


def collects(dialect: Dialect, model: Model, upstream_model: str, body: Mapping[str, Any]) -> bool:
    """Say whether an answer that is wanted whole is asked for as a stream, and collected.

    Either the vendor thinks in streams only, or its limit may leave thinking out: what is not bounded before the call
    has to be counted as it comes.
    """
    if stays_silent(dialect, model, body):
        return False
    if fits(upstream_model, dialect.thinks_in_streams_only):
        return True
    if hides_reasoning(dialect, upstream_model):
        return False
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or ASSUMED_LIMIT
    return not limit_covers_reasoning(dialect, model, body, limit)


def demands_replay(dialect: Dialect, model: Model, body: Mapping[str, Any]) -> bool:
    """Say whether tool turns must carry their ``reasoning_content`` on this request."""
    return dialect.replays_reasoning and thinking.thinking_on(dialect, model, body) is not False


def _kind(name: str, value: Any) -> Any:
    """Reduce a value to what a rule compares: objects to their type."""
    if name in ("tool_choice", "response_format") and isinstance(value, dict):
        return value.get("type")
    return value


def _breaks(rule: Rule, value: Any) -> bool:
    if rule.allowed is not None:
        return not any(value == each and isinstance(value, bool) is isinstance(each, bool) for each in rule.allowed)
    if rule.low is None and rule.high is None:
        return True
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return (rule.low is not None and value < rule.low) or (rule.high is not None and value > rule.high)


def _apply_rules(
    rules: Sequence[Rule], out: Mapping[str, Any], upstream_model: str, *, thinks: bool | None
) -> list[str]:
    warnings = []
    for rule in rules:
        if rule.param not in out:
            continue
        value = out[rule.param]
        if value is None or (rule.thinking is not None and rule.thinking is not thinks):
            continue
        if not fits(upstream_model, rule.models) or not _breaks(rule, _kind(rule.param, value)):
            continue
        if rule.action is Action.REFUSE:
            raise InvalidRequestError(f"`{rule.param}` cannot be served: {rule.why}.", param=rule.param)
        bounded = rule.allowed is not None or rule.low is not None or rule.high is not None
        warnings.append(f"{rule.param}-doubtful" if bounded else f"{rule.param}-ignored")
    return warnings


def _check_abilities(dialect: Dialect, model: Model, out: Mapping[str, Any]) -> None:
    """Refuse what this model is known not to do; unknown abilities are the vendor's to answer."""
    tools = out.get("tools")
    if tools:
        _check_tools(dialect, model, tools)
    form = out.get("response_format")
    if form is not None:
        _check_format(model, _kind("response_format", form))
    if model.abilities.vision is False:
        _refuse_images(model, out.get("messages"))


def _check_tools(dialect: Dialect, model: Model, tools: Any) -> None:
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in dialect.tool_types:
            where = f"tools[{index}].type"
            raise InvalidRequestError(
                f"`{where}` {json.dumps(kind)} is not offered here; hosted tools change the provider's price.",
                param=where,
            )
    if model.abilities.tools is False:
        raise InvalidRequestError(f"`tools`: {model.id} calls no tools.", param="tools")


def _check_format(model: Model, form: Any) -> None:
    lacks = {"json_schema": model.abilities.json_schema is False, "json_object": model.abilities.json_mode is False}
    if isinstance(form, str) and lacks.get(form, False):
        raise InvalidRequestError(f"`response_format`: {model.id} does not do {form}.", param="response_format")


def _refuse_images(model: Model, messages: Any) -> None:
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict) and part.get("type") == "image_url":
                where = f"messages[{index}].content[{place}]"
                raise InvalidRequestError(f"`{where}`: {model.id} does not see images.", param=where)


def _rename_roles(roles: Mapping[str, str], messages: Any) -> tuple[Any, list[str]]:
    """Return the messages with roles in the vendor's words; the same list when nothing needs it."""
    if not isinstance(messages, list) or not any(
        isinstance(each, dict) and each.get("role") in roles for each in messages
    ):
        return messages, []
    renamed = [
        {**each, "role": roles[each["role"]]} if isinstance(each, dict) and each.get("role") in roles else each
        for each in messages
    ]
    return renamed, [f"{old}-role-sent-as-{new}" for old, new in roles.items()]


def _translate_values(dialect: Dialect, out: dict[str, Any]) -> list[str]:
    warnings = []
    for each in dialect.translations:
        value = out.get(each.param)
        if value is not None and not isinstance(value, bool) and value == each.value:
            del out[each.param]
            for name, said in each.into.items():
                out.setdefault(name, said)
            warnings.append(each.warning)
    return warnings


def _add_own_fields(dialect: Dialect, out: dict[str, Any]) -> None:
    streams = out.get("stream") is True
    for each in dialect.always:
        if not each.streamed_tools_only or (streams and out.get("tools")):
            out.setdefault(each.name, each.value)
    if streams and dialect.accepts_include_usage:
        options = out.get("stream_options")
        out["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}


def upstream_body(
    dialect: Dialect, model: Model, offer: Offer, body: Mapping[str, Any], *, limit: int | None
) -> Outgoing:
    """Translate a checked chat body for one offer.

    ``limit`` is the output limit to send in tokens; None sends none. ``model`` says what can be switched, ``offer``
    what the model is called there.

    Raises:
        InvalidRequestError: the model or the vendor cannot do what was asked; ``param`` names the field.

    """
    out = dict(body)
    out["model"] = offer.upstream_model
    warnings = thinking.translate(dialect, model, body, out)
    if dialect.translations:
        warnings += _translate_values(dialect, out)
    if not dialect.ruled.isdisjoint(out):
        thinks = thinking.thinking_on(dialect, model, body)
        warnings += _apply_rules((*dialect.priced, *dialect.rules), out, offer.upstream_model, thinks=thinks)
    _check_abilities(dialect, model, out)
    if dialect.roles:
        out["messages"], told = _rename_roles(dialect.roles, out.get("messages"))
        warnings += told
    for old, new in dialect.renames.items():
        if old in out and new not in out:
            out[new] = out.pop(old)
    for name in _LIMIT_NAMES:
        out.pop(name, None)
    if limit is not None:
        out[limit_name(dialect, body, limit).name] = limit
    _add_own_fields(dialect, out)
    return Outgoing(out, tuple(dict.fromkeys(warnings)) if warnings else ())
