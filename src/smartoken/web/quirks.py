"""What a dialect's record says in sentences: what we do so that a vendor behaves as the interface promises. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from smartoken.providers.dialect import (
    CUMULATIVE_TEXT,
    FINISH,
    REASONING_DETAILS,
    REASONING_TAGS,
    THINK_TAGS,
    Action,
    Dialect,
    Rule,
)

_REPAIRS = {
    THINK_TAGS: "Thinking inside the text (`<think>`) is moved to `reasoning_content`.",
    REASONING_TAGS: "Stray tags inside the reasoning text are taken out.",
    REASONING_DETAILS: "Reasoning in `reasoning_details` is shown as `reasoning_content`.",
    CUMULATIVE_TEXT: "Each piece of a stream repeats all text so far; you get only what is new.",
}


@dataclass(frozen=True, slots=True)
class Quirk:
    """One difference: the field or subject, what happens, and where the vendor says so."""

    subject: str
    does: str
    source: str = ""


def quirks(dialect: Dialect, upstream_model: str) -> list[Quirk]:
    """Return every difference that the record holds for one model."""
    return [
        *_names(dialect),
        *_thinking(dialect),
        *_rules(dialect, upstream_model),
        *_answers(dialect, upstream_model),
    ]


def _names(dialect: Dialect) -> Iterator[Quirk]:
    for ours, theirs in dialect.renames.items():
        yield Quirk(ours, f"sent under the vendor's name `{theirs}`")
    for ours, theirs in dialect.roles.items():
        yield Quirk(f"role {ours}", f"said as `{theirs}`")
    limits = [each.name for each in dialect.limits]
    if limits != ["max_tokens"]:
        yield Quirk("output limit", "sent as " + " or ".join(f"`{each}`" for each in limits))
    for each in dialect.translations:
        yield Quirk(f"{each.param} = {each.value}", each.warning, each.source)
    for added in dialect.always:
        yield Quirk(added.name, f"set to `{added.value}` unless you set it", added.source)


def _thinking(dialect: Dialect) -> Iterator[Quirk]:
    switch = dialect.switch
    if not switch.translated:
        return
    if switch.name is not None:
        yield Quirk(
            "thinking",
            f"`reasoning_effort`, `enable_thinking` and `thinking` all become the vendor's `{switch.name}`",
            switch.source,
        )
    if switch.effort_field:
        words = ", ".join(f"`{each}`" for each in switch.words) or "the model's own words"
        mapped = ", ".join(f"`{ours}` as `{theirs}`" for ours, theirs in switch.word_map.items())
        yield Quirk("reasoning_effort", f"takes {words}" + (f"; {mapped}" if mapped else ""), switch.source)
    if switch.budget:
        yield Quirk("thinking_budget", f"sent as `{switch.budget}`", switch.source)


def _bounds(rule: Rule) -> str:
    words = []
    if rule.allowed is not None:
        words.append("other than " + ", ".join(f"`{each}`" for each in rule.allowed))
    if rule.low is not None:
        words.append(f"below {rule.low:g}")
    if rule.high is not None:
        words.append(f"above {rule.high:g}")
    if rule.thinking is not None:
        words.append("while thinking" if rule.thinking else "without thinking")
    return f" ({' or '.join(words)})" if words else ""


def _rules(dialect: Dialect, upstream_model: str) -> Iterator[Quirk]:
    lowered = upstream_model.lower()
    for rule in dialect.rules:
        if not any(fnmatchcase(lowered, glob) for glob in rule.models):
            continue
        verb = "refused by name" if rule.action == Action.REFUSE else "sent, with a warning header"
        yield Quirk(rule.param, f"{verb}{_bounds(rule)}: {rule.why}", rule.source)


def _answers(dialect: Dialect, upstream_model: str) -> Iterator[Quirk]:
    usage = dialect.usage
    if not dialect.accepts_include_usage or usage.on_finish_chunk or usage.places != ("top",):
        yield Quirk("usage in streams", "moved to a chunk of its own after the last content, as OpenAI sends it")
    if not usage.prompt_includes_cached or not usage.completion_includes_reasoning:
        yield Quirk(
            "token counts", "added up so that `prompt_tokens` includes cache reads and answers include thinking"
        )
    for name in dialect.repairs:
        yield Quirk("stream", _REPAIRS[name])
    odd = [f"`{theirs}` as `{ours}`" for theirs, ours in dialect.finish.items() if FINISH.get(theirs) != ours]
    if odd:
        yield Quirk("finish_reason", "read " + ", ".join(odd))
    if dialect.replays_reasoning:
        yield Quirk("tool turns", "reasoning that your client dropped is put back, where the vendor insists on it")
    if any(fnmatchcase(upstream_model.lower(), glob) for glob in dialect.hidden_reasoning):
        yield Quirk("reasoning", "billed but not shown by the vendor; the count stands in `reasoning_tokens`")
    if dialect.continuation is not None:
        yield Quirk(
            "continuing an answer",
            f"mark the last assistant message with `{dialect.continuation.field}: true`",
            dialect.continuation.source,
        )
