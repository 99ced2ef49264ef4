"""What distinguishes one provider's chat completions from OpenAI's, as a record. Pure.

A dialect holds facts and names, never code: the paths, what a parameter is called, what is refused and with which
words, where usage sits and which count includes which, how thinking is switched, which named stream repairs apply and
what an error means. ``requests``, ``answers``, ``streams`` and ``failures`` read the record; none of them knows a
vendor. Every oddity carries the page that it was read on. ``OPENAI`` is the plain form that vendors derive from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from smartoken.errors import FailureClass

EFFORT_LADDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Action(StrEnum):
    """What happens to a parameter that a rule matches."""

    REFUSE = "refuse"  # the vendor would answer 400, or the price would change: refused here, by name
    WARN = "warn"  # the vendor ignores it without a word: it travels, and a warning names it


@dataclass(frozen=True, slots=True)
class Rule:
    """One vendor rule about one request parameter.

    It matches when the parameter is present (and not null), the upstream model fits ``models`` (globs, lower case),
    thinking is as ``thinking`` says (None: either way), and the value breaks the bounds given; without bounds any
    value matches. ``param`` is a top-level name, or ``response_format`` and ``tool_choice`` by their type.
    """

    param: str
    action: Action
    why: str
    source: str
    models: tuple[str, ...] = ("*",)
    thinking: bool | None = None
    allowed: tuple[Any, ...] | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """A parameter value with an exact equivalent under another name at the vendor."""

    param: str
    value: Any
    into: Mapping[str, Any]
    warning: str
    source: str


@dataclass(frozen=True, slots=True)
class Limit:
    """One name of the output limit at a vendor.

    ``covers_reasoning``: thinking counts against it; None is unknown and counts as no (money.md 2.3).
    ``ceiling``: above it the next name in the list is used.
    """

    name: str
    covers_reasoning: bool | None = None
    ceiling: int | None = None


class Words(StrEnum):
    """Which effort words a model takes."""

    VENDOR = "vendor"  # every thinking model of this vendor takes the vendor's words
    LISTED = "listed"  # models with listed efforts take all of the vendor's words, others none
    MODEL = "model"  # exactly the words listed for the model


@dataclass(frozen=True, slots=True)
class Switch:
    """How thinking is switched on the wire.

    ``name`` is ``thinking`` (an object with ``type``), ``enable_thinking`` (a boolean) or None where the vendor has
    no switch. ``translated`` False: nothing is known, so the client's fields travel as they are.
    """

    translated: bool = False
    warns: bool = True  # untranslated fields are named in a warning; a plain server needs none
    name: str | None = None
    on: str = "enabled"
    off: str = "disabled"
    auto: str | None = None
    effort_field: str | None = None
    words: tuple[str, ...] = ()
    words_for: Words = Words.MODEL
    word_map: Mapping[str, str] = field(default_factory=dict)
    budget: str | None = None  # "thinking_budget" or "thinking.budget_tokens"
    source: str = ""


@dataclass(frozen=True, slots=True)
class UsageShape:
    """Where the counts sit and which includes which.

    Paths are dotted inside the usage object and tried in order. ``places``: "top" (the chunk's own ``usage``) and
    "choice" (inside ``choices[0]``). A vendor's counts replace each other, they are never summed.
    """

    places: tuple[str, ...] = ("top",)
    cached: tuple[str, ...] = ("prompt_tokens_details.cached_tokens",)
    cache_write: tuple[str, ...] = ("prompt_tokens_details.cache_creation_input_tokens",)
    reasoning: tuple[str, ...] = ("completion_tokens_details.reasoning_tokens",)
    prompt_includes_cached: bool = True
    prompt_includes_cache_write: bool = True
    completion_includes_reasoning: bool = True
    unasked: bool = False  # a stream carries usage without stream_options.include_usage
    on_finish_chunk: bool = False  # in a stream it comes with the finish reason, choices not empty
    in_sums: bool = field(init=False, repr=False, compare=False)  # whether the two sums include all other counts

    def __post_init__(self) -> None:
        in_sums = self.prompt_includes_cached and self.prompt_includes_cache_write
        object.__setattr__(self, "in_sums", in_sums and self.completion_includes_reasoning)


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of the error table; all conditions given must hold, rows are tried in order.

    ``codes`` are lower-case globs over the body's code, its type and a number in brackets at the end of its message.
    ``words`` are lower-case parts of the message, any of which is enough.
    """

    kind: FailureClass
    codes: tuple[str, ...] = ()
    status: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a text answer is continued from a given beginning: a marked last assistant message."""

    field: str  # "prefix" or "partial", set to true on the last message
    path: str | None = None  # another path that must be used, in the place of the base URL's version
    thinking_off: bool = False  # only without thinking
    not_for: tuple[str, ...] = ()  # globs of hosted models, of which the vendor's page says nothing
    source: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """Upper bounds of the tokens that a chat template adds around the text; they feed the bound before the call.

    ``tools`` is the preamble of any call with tools, ``tool`` the frame of each one; the schema's own bytes are
    counted by the caller.
    """

    base: int = 256
    message: int = 16
    tools: int = 512
    tool: int = 64

    def tokens(self, messages: int, tools: int) -> int:
        """Return the overhead of a call with so many messages and tools."""
        return self.base + messages * self.message + (self.tools + tools * self.tool if tools else 0)


@dataclass(frozen=True, slots=True)
class Always:
    """A field that the gateway adds unless the client set it; it changes the answer's form, never its content."""

    name: str
    value: Any
    streamed_tools_only: bool = False
    source: str = ""


# Named stream repairs; streams.py holds the transducer of each.
THINK_TAGS = "think_tags"  # <think> at the start of content becomes reasoning_content
REASONING_TAGS = "reasoning_tags"  # a stray tag inside reasoning text is taken out
REASONING_DETAILS = "reasoning_details"  # reasoning_details[].text stands in for reasoning_content
CUMULATIVE_TEXT = "cumulative_text"  # each piece repeats all text so far

FINISH: Mapping[str, str] = MappingProxyType(
    {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
        "function_call": "function_call",
        "eos": "stop",
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "tool_use": "tool_calls",
    }
)
FINISH_FAILURES: Mapping[str, FailureClass] = MappingProxyType({"error": FailureClass.PROVIDER_CAPACITY})

# Fields that change what the provider charges. They are not priced here, so they are refused by name.
_PAID = "changes the provider's price and is not priced by this gateway"
_UNBOUND = "bills tokens beyond those that are returned"
PRICED: tuple[Rule, ...] = (
    Rule(
        "service_tier", Action.REFUSE, _PAID, "architecture: priced or refused", allowed=("auto", "default", "standard")
    ),
    Rule("enable_search", Action.REFUSE, _PAID, "https://help.aliyun.com/zh/model-studio (2026-10)", allowed=(False,)),
    Rule("search_options", Action.REFUSE, _PAID, "https://help.aliyun.com/zh/model-studio (2026-10)"),
    Rule("web_search_options", Action.REFUSE, _PAID, "https://platform.openai.com/docs/api-reference/chat"),
    Rule("enable_code_interpreter", Action.REFUSE, _PAID, "https://help.aliyun.com/zh/model-studio", allowed=(False,)),
    Rule("plugins", Action.REFUSE, _PAID, "https://openrouter.ai/docs/features/web-search"),
    Rule("models", Action.REFUSE, "would let the provider pick a model of another price", "https://openrouter.ai/docs"),
    Rule("route", Action.REFUSE, "would let the provider pick a model of another price", "https://openrouter.ai/docs"),
    Rule("audio", Action.REFUSE, _PAID, "https://platform.openai.com/docs/api-reference/chat"),
    Rule(
        "modalities", Action.REFUSE, _PAID, "https://platform.openai.com/docs/api-reference/chat", allowed=(["text"],)
    ),
    Rule("prediction", Action.REFUSE, _UNBOUND, "https://platform.openai.com/docs/api-reference/chat"),
    Rule("best_of", Action.REFUSE, _UNBOUND, "https://docs.vllm.ai: samples more than it returns", allowed=(1,)),
)

# Texts of servers that say it with 400 and a code that says nothing.
NO_SUCH_MODEL = ErrorRule(
    FailureClass.KEY_LACKS_MODEL,
    status=(400,),
    words=("model not exist", "model does not exist", "unknown model", "not supported model"),
)
OPENAI_ERRORS: tuple[ErrorRule, ...] = (
    ErrorRule(FailureClass.KEY_BROKE, codes=("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")),
    ErrorRule(FailureClass.KEY_INVALID, codes=("invalid_api_key", "incorrect_api_key*", "invalid_authentication*")),
    ErrorRule(FailureClass.KEY_LACKS_MODEL, codes=("model_not_found", "model_not_supported")),
    ErrorRule(FailureClass.REFUSAL, codes=("content_filter*", "content_policy_violation", "data_inspection_failed")),
    ErrorRule(FailureClass.CONTEXT_LENGTH, codes=("context_length_exceeded", "exceed_context_size_error")),
    ErrorRule(
        FailureClass.CONTEXT_LENGTH,
        status=(400, 413, 422, 500),
        words=("maximum context length", "context length exceeded", "available context size", "exceed context window"),
    ),
    ErrorRule(FailureClass.RAMP_TOO_FAST, codes=("slow_down",)),
    ErrorRule(FailureClass.KEY_LACKS_MODEL, status=(404,), words=("model",)),
    NO_SUCH_MODEL,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Everything that the gateway needs to know to speak with one vendor."""

    id: str
    chat_path: str = "/chat/completions"  # joined to the base URL, which already holds /v1, /v2, /api/v3 ...
    models_path: str = "/models"
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    limits: tuple[Limit, ...] = (Limit("max_tokens"),)
    accepts_include_usage: bool = True
    renames: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    tool_types: tuple[str, ...] = ("function",)
    translations: tuple[Translation, ...] = ()
    rules: tuple[Rule, ...] = ()
    priced: tuple[Rule, ...] = PRICED
    always: tuple[Always, ...] = ()
    switch: Switch = field(default_factory=Switch)
    usage: UsageShape = field(default_factory=UsageShape)
    reasoning_fields: tuple[str, ...] = ("reasoning_content", "reasoning")
    finish: Mapping[str, str] = field(default_factory=lambda: FINISH)
    finish_failures: Mapping[str, FailureClass] = field(default_factory=lambda: FINISH_FAILURES)
    repairs: tuple[str, ...] = ()
    errors: tuple[ErrorRule, ...] = OPENAI_ERRORS
    replays_reasoning: bool = False  # 400 unless tool turns carry reasoning_content
    thinks_in_streams_only: tuple[str, ...] = ()  # globs of models that refuse to think unstreamed
    hidden_reasoning: tuple[str, ...] = ()  # globs of models that bill thinking which they do not show
    continuation: Continuation | None = None
    keys_share_concurrency: bool = False  # the vendor counts calls at once by account, not by key
    template: Template = field(default_factory=Template)
    page: str = ""  # the vendor's reference and the date on which its facts were read
    ruled: frozenset[str] = field(init=False, repr=False, compare=False)  # the parameters that a rule names

    def __post_init__(self) -> None:
        object.__setattr__(self, "ruled", frozenset(each.param for each in (*self.priced, *self.rules)))

    def auth_headers(self, key: str) -> tuple[tuple[str, str], ...]:
        """Return the headers that carry a provider key."""
        return ((self.auth_header, f"{self.auth_prefix}{key}"),)


OPENAI = Dialect(
    id="openai",
    limits=(Limit("max_tokens"), Limit("max_completion_tokens", covers_reasoning=True)),
    tool_types=("function", "custom"),
    switch=Switch(warns=False),
    page="https://platform.openai.com/docs/api-reference/chat",
)

# A vendor's record starts here: OpenAI's old limit name only, function tools only, "developer" said as "system"
# (none of the vendors but Ark documents that role, and the meaning is the same).
VENDOR = Dialect(id="vendor", roles=MappingProxyType({"developer": "system"}))
