"""The migration linter: a request or a snippet in, each field that we treat differently out, with the change. Pure.

It reads JSON bodies, cURL commands and code in Python or TypeScript by the names of fields in them, never runs
anything, keeps nothing and calls nobody. Rules are a table; a finding names the place, what happens to it here, and
what to write instead. What no rule knows travels to the provider untouched.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MAX_TEXT = 100_000


class Level(StrEnum):
    """How much a finding matters."""

    CHANGE = "change"  # it must be changed before the call works
    REFUSED = "refused"  # we answer 400 and name the field
    DIFFERENT = "different"  # it works, and something is not as it was
    SAME = "same"  # it works as it did


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know; ``line`` counts from 1."""

    level: Level
    field: str
    line: int
    says: str
    write: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, the models named, and a word on the whole."""

    findings: tuple[Finding, ...]
    models: tuple[str, ...]

    @property
    def blocking(self) -> int:
        """How many findings must be changed before the call works."""
        return sum(each.level in (Level.CHANGE, Level.REFUSED) for each in self.findings)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is said of one field."""

    level: Level
    says: str
    write: str = ""


_PAID = "It changes the provider's price and is not priced here, so it is refused by name."
FIELDS: Mapping[str, Rule] = {
    "models": Rule(
        Level.SAME,
        "Up to five models are tried in order after `model`, each at its own price and held in the budget by itself.",
    ),
    "route": Rule(Level.DIFFERENT, 'Only "fallback" is taken.', 'Say "fallback" or remove it.'),
    "provider": Rule(
        Level.SAME,
        "`order`, `only`, `ignore`, `allow_fallbacks`, `data_collection`, `require_parameters` and `sort` by price or "
        "latency choose among the model's offers; other members are refused by name.",
    ),
    "session_id": Rule(
        Level.SAME, "Keeps a conversation on one offer as long as that is well, so that its cache is warm."
    ),
    "transforms": Rule(
        Level.DIFFERENT, "Nothing is cut out of your messages here.", "Remove it and shorten long prompts yourself."
    ),
    "plugins": Rule(Level.REFUSED, _PAID, "Remove it; search the web in a tool of your own."),
    "web_search_options": Rule(Level.REFUSED, _PAID, "Remove it; search the web in a tool of your own."),
    "service_tier": Rule(Level.REFUSED, f"{_PAID} `auto`, `default` and `standard` pass.", 'Remove it or say "auto".'),
    "modalities": Rule(Level.REFUSED, "Only text is answered.", 'Remove it or say ["text"].'),
    "audio": Rule(Level.REFUSED, "Only text is answered.", "Remove it."),
    "prediction": Rule(Level.REFUSED, "Rejected predictions would be billed beyond the answer.", "Remove it."),
    "best_of": Rule(Level.REFUSED, "It bills samples that are not returned.", "Remove it, or use `n`."),
    "reasoning": Rule(
        Level.DIFFERENT,
        "The object travels as it is; thinking is switched by fields that every family understands.",
        '`reasoning_effort`: "none", "low", "medium", "high"; or `enable_thinking`: true or false.',
    ),
    "include_reasoning": Rule(
        Level.DIFFERENT, "Reasoning that a provider shows is always passed on.", "Remove it; read `reasoning_content`."
    ),
    "usage": Rule(
        Level.DIFFERENT,
        "Usage with the charge comes by itself; in streams it is asked for as OpenAI does.",
        '`stream_options`: {"include_usage": true}',
    ),
    "stream_options": Rule(Level.SAME, "Works as with OpenAI; the usage chunk also holds `charge_usd`."),
    "max_completion_tokens": Rule(Level.SAME, "Sent under the provider's own name for it."),
    "response_format": Rule(
        Level.SAME,
        "Passed on. Not every model takes a JSON schema: the model's page says; where not, it is refused by name.",
    ),
    "seed": Rule(Level.SAME, "Passed on; few providers promise the same answer twice."),
    "user": Rule(Level.SAME, "Passed on, and kept with the call: usage can be grouped by it."),
    "store": Rule(
        Level.DIFFERENT,
        "Answers are not stored for you to list.",
        "Remove it; the call's record is at `GET /v1/calls/{id}`.",
    ),
    "metadata": Rule(Level.SAME, "Passed on untouched."),
    "tools": Rule(Level.SAME, "Function tools work as with OpenAI where the model's page says tools."),
    "functions": Rule(
        Level.DIFFERENT, "The old form travels untouched; most providers no longer read it.", "Use `tools`."
    ),
    "function_call": Rule(Level.DIFFERENT, "The old form travels untouched.", "Use `tool_choice`."),
    "logprobs": Rule(Level.SAME, "Passed on; some providers refuse it, and the error names it."),
    "n": Rule(Level.SAME, "Passed on; that many answers are held in the budget before the call."),
}
_NOT_KEPT = "This member of `provider` is not kept here, so it is refused by name"
MEMBERS: Mapping[str, Rule] = {  # of the object `provider`
    "quantizations": Rule(Level.REFUSED, f"{_NOT_KEPT}: the quantization of offers is not known.", "Remove it."),
    "max_price": Rule(
        Level.REFUSED, f"{_NOT_KEPT}: a model has one sell price.", "Remove it; bound a key by its budget."
    ),
    "zdr": Rule(
        Level.REFUSED,
        f"{_NOT_KEPT}: retention is not known of every offer.",
        'Say `data_collection`: "deny", or set a policy.',
    ),
    "enforce_distillable_text": Rule(Level.REFUSED, f"{_NOT_KEPT}: licences are not known here.", "Remove it."),
    "preferred_min_throughput": Rule(Level.REFUSED, f"{_NOT_KEPT}: no throughput is promised.", "Remove it."),
    "preferred_max_latency": Rule(Level.REFUSED, f"{_NOT_KEPT}.", '`sort`: "latency"'),
    "experimental": Rule(Level.REFUSED, f"{_NOT_KEPT}: it has no fixed meaning.", "Remove it."),
}
PLACES: tuple[tuple[re.Pattern[str], Level, str, str, str], ...] = (
    (
        re.compile(r"https?://(?:openrouter\.ai/api/v1|api\.openai\.com/v1)"),
        Level.CHANGE,
        "base URL",
        "The address is another company's.",
        "{address}/v1",
    ),
    (
        re.compile(r"\b(?:OPENROUTER_API_KEY|OPENAI_API_KEY)\b|sk-(?:or-v1|proj)-[\w-]+"),
        Level.CHANGE,
        "API key",
        "Keys of SmarToken begin with sk-st-. A key of another company is not sent on to it: replace it.",
        "SMARTOKEN_API_KEY",
    ),
    (
        re.compile(r"(?i)\b(?:HTTP-Referer|X-Title|X-OpenRouter-[\w-]+)\b"),
        Level.DIFFERENT,
        "attribution header",
        "Headers that name your app are not read and never sent on.",
        "Remove it; use the key's `workflow` to group usage.",
    ),
    (
        re.compile(r"(?i)\bOpenAI-(?:Organization|Project)\b|\b(?:organization|project)\s*[=:]\s*[\"'][\w-]+"),
        Level.DIFFERENT,
        "organisation",
        "Who pays is decided by the key.",
        "Remove it; each key belongs to one account.",
    ),
    (
        re.compile(r"\.(?:responses|embeddings|images|audio|moderations|assistants|batches|files)\.\w+"),
        Level.CHANGE,
        "endpoint",
        "Only chat completions are served; the call answers 404 endpoint_not_supported.",
        "client.chat.completions.create(...)",
    ),
    (
        re.compile(r"/v1/(?:responses|completions|embeddings|images|audio|moderations|messages)\b"),
        Level.CHANGE,
        "endpoint",
        "Only chat completions are served; the call answers 404 endpoint_not_supported.",
        "{address}/v1/chat/completions",
    ),
    (
        re.compile(r"[\"'][\w./-]+:(?:free|nitro|floor|online|exacto|thinking|extended)[\"']"),
        Level.CHANGE,
        "model suffix",
        "A suffix on a model id chooses nothing here.",
        "The id without the part after the colon.",
    ),
)
_FIELD = re.compile(r"[\"']?\b([a-z][a-z_]+)\b[\"']?\s*[:=](?!=)")
_MODEL = re.compile(r"\bmodels?[\"']?\s*[:=]\s*\[?\s*[\"']([\w./:@-]+)[\"']")
Known = Callable[[str], str | None]  # a model id asked for -> the id here, None: not here
Near = Callable[[str], Sequence[str]]  # a model id that is not here -> the ids that look most like it


def lint(text: str, address: str, known: Known, near: Near = lambda _name: ()) -> Report:
    """Return what is different for a request or a snippet."""
    text = text[:MAX_TEXT]
    findings = [*_places(text, address), *_fields(text)]
    models: dict[str, int] = {}
    for hit in _MODEL.finditer(text):
        models.setdefault(hit[1], _line(text, hit.start(1)))
    findings.extend(_models(models, known, near))
    order = list(Level)
    unique = {(each.level, each.field, each.says): each for each in reversed(findings)}
    return Report(tuple(sorted(unique.values(), key=lambda each: (order.index(each.level), each.line))), tuple(models))


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _places(text: str, address: str) -> Iterator[Finding]:
    for pattern, level, field, says, write in PLACES:
        for hit in pattern.finditer(text):
            yield Finding(level, field, _line(text, hit.start()), says, write.format(address=address))


def _fields(text: str) -> Iterator[Finding]:
    for name, at in _names(text):
        rule = MEMBERS.get(name.removeprefix("provider.")) if name.startswith("provider.") else FIELDS.get(name)
        if rule is not None:
            yield Finding(rule.level, name, _line(text, at), rule.says, rule.write)


def _names(text: str) -> Iterator[tuple[str, int]]:
    """Yield the fields of a request: a JSON body's own, or in code whatever is set by name."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or a number of more digits than are read
        body = None
    if isinstance(body, dict):
        for name in body:
            hit = re.search(rf"\"{re.escape(name)}\"\s*:", text)
            yield name, hit.start() if hit else 0
        inner = body.get("provider")
        for name in inner if isinstance(inner, dict) else ():
            yield f"provider.{name}", max(text.find(f'"{name}"'), 0)
        return
    for hit in _FIELD.finditer(text):
        yield hit[1], hit.start()
        if hit[1] in MEMBERS and re.search(r"\bprovider\b", text):
            yield f"provider.{hit[1]}", hit.start()


def _models(models: Mapping[str, int], known: Known, near: Near) -> Iterator[Finding]:
    for model, line in models.items():
        bare, suffix, _ = model.partition(":")
        here = known(bare)
        if here is None:
            says = "No model of this id is in the catalog."
            alike = " or ".join(f"`{each}`" for each in near(bare))
            write = (
                f"Nearest by name: {alike}; all are on the page Models." if alike else "Choose one on the page Models."
            )
            yield Finding(Level.CHANGE, f"model {model}", line, says, write)
        elif suffix:
            says = f"Without its suffix the name leads to `{here}`."
            yield Finding(Level.DIFFERENT, f"model {model}", line, says, here)
        elif here.lower() != model.lower():
            says = f"The name leads to `{here}`; the header `x-smartoken-warning` says so."
            yield Finding(Level.DIFFERENT, f"model {model}", line, says, here)
        else:
            yield Finding(Level.SAME, f"model {model}", line, "The same id is served here.")
