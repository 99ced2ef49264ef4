"""One thinking switch for clients, translated per dialect. Pure.

Clients may send ``reasoning_effort``, ``thinking``, ``enable_thinking`` and ``thinking_budget`` as any vendor knows
them. They are read into one ``Wish``, checked against what the model can do, and written in the dialect's own words.
What the model cannot do raises ``InvalidRequestError`` with the parameter named; what is sent in other words is told
in a warning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartoken.catalog.offers import Model, Reasoning
from smartoken.errors import InvalidRequestError
from smartoken.providers.dialect import EFFORT_LADDER, Dialect, Switch, Words

FIELDS = ("reasoning_effort", "thinking", "enable_thinking", "thinking_budget")
_FIELDS = frozenset(FIELDS)
_AUTO = frozenset({"auto", "adaptive"})
_ON = frozenset({"enabled", "on"})
_OFF = frozenset({"disabled", "off"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What the client asked of thinking; ``on`` None means that it did not say.

    ``switch_param``, ``budget_param`` name the fields that carried it.
    """

    on: bool | None = None
    auto: bool = False
    effort: str | None = None
    budget: int | None = None
    switch_param: str = "thinking"
    budget_param: str = "thinking_budget"


def _check_effort(effort: Any, param: str) -> None:
    if not isinstance(effort, str) or (effort not in EFFORT_LADDER and effort != "ultra"):
        raise InvalidRequestError(f"`{param}` must be one of {', '.join(EFFORT_LADDER)}.", param=param)


def _read_object(thinking: Any) -> Wish:
    if not isinstance(thinking, dict):
        raise InvalidRequestError("`thinking` must be an object with a `type`.", param="thinking")
    kind = thinking.get("type")
    budget, effort = thinking.get("budget_tokens"), thinking.get("effort")
    if budget is not None and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 0):
        raise InvalidRequestError("`thinking.budget_tokens` must be a whole number.", param="thinking.budget_tokens")
    if effort is not None:
        _check_effort(effort, "thinking.effort")
    if kind is not None and (not isinstance(kind, str) or kind not in _ON | _OFF | _AUTO):
        raise InvalidRequestError(
            "`thinking.type` must be one of enabled, disabled, auto, adaptive.", param="thinking.type"
        )
    on = None if kind is None else kind not in _OFF
    return Wish(
        on,
        auto=kind in _AUTO,
        effort=effort,
        budget=budget,
        switch_param="thinking.type",
        budget_param="thinking.budget_tokens",
    )


def read_wish(body: Mapping[str, Any]) -> Wish | None:
    """Read what the client asked; None when it said nothing about thinking.

    Raises:
        InvalidRequestError: a field has a wrong type, or two fields contradict each other.

    """
    thinking, effort = body.get("thinking"), body.get("reasoning_effort")
    enable, budget = body.get("enable_thinking"), body.get("thinking_budget")
    if thinking is None and effort is None and enable is None and budget is None:
        return None
    wish = Wish() if thinking is None else _read_object(thinking)
    if enable is not None:
        if not isinstance(enable, bool):
            raise InvalidRequestError("`enable_thinking` must be true or false.", param="enable_thinking")
        if wish.on is not None and wish.on is not enable:
            raise InvalidRequestError("`enable_thinking` contradicts `thinking`.", param="enable_thinking")
        wish = Wish(enable, wish.auto, wish.effort, wish.budget, "enable_thinking", wish.budget_param)
    if effort is not None:
        wish = _with_effort(wish, effort)
    if budget is not None:
        if wish.budget not in (None, budget):
            raise InvalidRequestError("`thinking_budget` contradicts `thinking`.", param="thinking_budget")
        wish = Wish(wish.on, wish.auto, wish.effort, budget, wish.switch_param, "thinking_budget")
    return wish


def _with_effort(wish: Wish, effort: Any) -> Wish:
    _check_effort(effort, "reasoning_effort")
    off = effort == "none"
    if wish.on is not None and wish.on is off:
        raise InvalidRequestError(f"`reasoning_effort` contradicts `{wish.switch_param}`.", param="reasoning_effort")
    if wish.on is None:
        return Wish(not off, wish.auto, effort, wish.budget, "reasoning_effort", wish.budget_param)
    return Wish(wish.on, wish.auto, effort, wish.budget, wish.switch_param, wish.budget_param)


def thinking_on(dialect: Dialect, model: Model, body: Mapping[str, Any]) -> bool | None:
    """Say whether the model will think on this request; None where that is not known.

    Prices differ by it (qwen-plus), and some rules hold only while thinking. The body must have been accepted.
    """
    if not model.reasoning.supported:
        return False
    if model.reasoning.can_disable is False:
        return True
    wish = read_wish(body) if dialect.switch.translated else None
    if wish is not None and wish.on is not None:
        return wish.on
    return model.reasoning.default_on


def _words(switch: Switch, reasoning: Reasoning) -> tuple[str, ...]:
    """Return the effort words that this model takes at this vendor."""
    if switch.effort_field is None:
        return ()
    if switch.words_for is Words.VENDOR:
        return switch.words
    if switch.words_for is Words.LISTED:
        return switch.words if reasoning.efforts else ()
    return reasoning.efforts


def nearest_word(effort: str, words: tuple[str, ...], word_map: Mapping[str, str]) -> str:
    """Return the effort word to send: the same, the vendor's own mapping, the next higher, or the highest."""
    if effort in words:
        return effort
    mapped = word_map.get(effort)
    if mapped in words:
        return str(mapped)
    place = EFFORT_LADDER.index(effort) if effort in EFFORT_LADDER else len(EFFORT_LADDER)
    ordered = sorted((each for each in words if each in EFFORT_LADDER and each != "none"), key=EFFORT_LADDER.index)
    for each in ordered:
        if EFFORT_LADDER.index(each) >= place:
            return each
    return ordered[-1] if ordered else words[-1]


def _refuse(param: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"`{param}`: {why}.", param=param)


def _kept(sent: Any) -> dict[str, Any]:
    """Return the members of the client's ``thinking`` object that are not ours to translate (Kimi's ``keep`` ...)."""
    if not isinstance(sent, dict):
        return {}
    return {name: value for name, value in sent.items() if name not in ("type", "budget_tokens", "effort")}


def _write_switch(switch: Switch, out: dict[str, Any], sent: Any, wish: Wish) -> None:
    """Set the vendor's own switch; other members of a ``thinking`` object travel along."""
    if switch.name == "enable_thinking":
        out["enable_thinking"] = wish.on
    elif switch.name == "thinking":
        auto = wish.auto and switch.auto is not None
        out["thinking"] = {**_kept(sent), "type": switch.auto if auto else switch.on if wish.on else switch.off}


def _turn_off(dialect: Dialect, model: Model, out: dict[str, Any], sent: Any, wish: Wish) -> None:
    switch = dialect.switch
    if model.reasoning.can_disable is False:
        raise _refuse(wish.switch_param, f"{model.id} always thinks, so thinking cannot be switched off")
    if switch.effort_field is not None and "none" in _words(switch, model.reasoning) and wish.effort is not None:
        out[switch.effort_field] = "none"
    elif switch.name is not None:
        _write_switch(switch, out, sent, wish)
    else:
        raise _refuse(wish.switch_param, f"{model.id} has no documented way to switch thinking off")


def _turn_on(dialect: Dialect, model: Model, out: dict[str, Any], sent: Any, wish: Wish) -> list[str]:
    switch, warnings = dialect.switch, []
    said_by_effort_alone = wish.switch_param == "reasoning_effort"
    words = _words(switch, model.reasoning)
    if wish.effort is not None and words and switch.effort_field is not None:
        word = nearest_word(wish.effort, words, switch.word_map)
        out[switch.effort_field] = word
        if word != wish.effort:
            warnings.append(f"reasoning_effort-sent-as-{word}")
    elif wish.effort is not None:
        warnings.append("reasoning_effort-only-switches" if switch.name else "reasoning_effort-ignored")
    # At an aggregator the default is the host's, not the model's: its own switch is set along with the effort.
    hosted = switch.name == "enable_thinking" and "none" not in words
    needs_switch = not said_by_effort_alone or not words or hosted or model.reasoning.default_on is False
    if wish.on and needs_switch:
        _write_switch(switch, out, sent, wish)
        if wish.auto and switch.auto is None:
            warnings.append("thinking-sent-as-on")
    return warnings


def translate(dialect: Dialect, model: Model, body: Mapping[str, Any], out: dict[str, Any]) -> list[str]:
    """Replace the client's thinking fields in ``out`` by the dialect's; returns the warnings.

    Raises:
        InvalidRequestError: the model or vendor cannot do what was asked; ``param`` names the field.

    """
    if _FIELDS.isdisjoint(body):
        return []
    wish = read_wish(body) if dialect.switch.translated else None
    for name in FIELDS:
        if name in out and (wish is not None or out[name] is None):
            del out[name]
    if wish is None:
        sent = [name for name in FIELDS if body.get(name) is not None]
        return [f"{name}-untranslated" for name in sent] if dialect.switch.warns else []
    if not model.reasoning.supported:
        if wish.on or wish.budget:
            param = wish.switch_param if wish.on else wish.budget_param
            raise _refuse(param, f"{model.id} does not think")
        return []
    if wish.on is False:
        _turn_off(dialect, model, out, body.get("thinking"), wish)
        return []
    warnings = _turn_on(dialect, model, out, body.get("thinking"), wish)
    kept = _kept(body.get("thinking"))
    if kept and dialect.switch.name != "thinking":
        warnings.append("thinking-members-dropped")
    elif kept and "thinking" not in out:
        out["thinking"] = kept
    if wish.budget is not None:
        _write_budget(dialect, model, out, wish)
    return warnings


def _write_budget(dialect: Dialect, model: Model, out: dict[str, Any], wish: Wish) -> None:
    place, most = dialect.switch.budget, model.reasoning.max_budget_tokens
    if place is None:
        raise _refuse(wish.budget_param, f"{model.id} takes no budget of thinking tokens at this provider")
    if most is not None and wish.budget is not None and wish.budget > most:
        raise _refuse(wish.budget_param, f"{model.id} takes at most {most} thinking tokens, got {wish.budget}")
    if place == "thinking_budget":
        out["thinking_budget"] = wish.budget
        return
    thinking = out.get("thinking") or {"type": dialect.switch.on}  # TokenHub demands a type with the object
    out["thinking"] = {**thinking, "budget_tokens": wish.budget}
