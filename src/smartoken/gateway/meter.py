"""Step 5: what the call used, from the upstream's events. Pure.

The upstream's own count is the truth when it is plausible; zero is a value. Where none came, the prompt is estimated
and the output that was seen is counted, and the usage says so. Error text is never counted.
"""

from typing import Any

import orjson

from smartoken.tokens import TokenUsage, UsageSource, estimate_tokens

_PLAIN = 2  # members of a message with a role and a text, as most are
_TEMPLATE_TOKENS = 3  # a message's frame in chat templates, measured over the families' tokenizers


def prompt_text(body: dict[str, Any]) -> list[str]:
    """Return every piece of text of a request that becomes prompt tokens."""
    pieces: list[str] = []
    for message in body.get("messages", ()):
        content = message.get("content")
        if isinstance(content, str):
            pieces.append(content)
            if len(message) == _PLAIN:
                continue
        elif isinstance(content, list):
            pieces.extend(part["text"] for part in content if isinstance(part.get("text"), str))
        for call in message.get("tool_calls") or ():
            if isinstance(call, dict) and isinstance(call.get("function"), dict):
                pieces.append(str(call["function"].get("name", "")))
                pieces.append(str(call["function"].get("arguments", "")))
        if isinstance(message.get("reasoning_content"), str):
            pieces.append(message["reasoning_content"])
    tools = body.get("tools")
    if tools:
        pieces.append(orjson.dumps(tools).decode())
    return pieces


def estimate_prompt(body: dict[str, Any]) -> int:
    """Estimate the prompt tokens of a request body."""
    return sum(estimate_tokens(piece) + _TEMPLATE_TOKENS for piece in prompt_text(body)) or 1


class Meter:
    """Collects what one attempt sent; cheap per chunk, counts only when asked."""

    __slots__ = ("_counted", "_fresh", "_output", "_reasoning", "most_tokens", "pieces", "reported", "thinking")

    def __init__(self) -> None:
        self._counted = 0  # tokens estimated of what is no longer fresh
        self._fresh: list[str] = []  # text since the last estimate
        self.pieces = 0  # each holds a token at least
        self.most_tokens = 0  # never fewer than what was sent: an estimate, and a token a byte for what came after it
        self._output: list[str] = []
        self._reasoning: list[str] = []
        self.reported: TokenUsage | None = None
        self.thinking = False

    def see(self, delta: dict[str, Any]) -> None:
        """Note the text of a delta or a whole message."""
        text = delta.get("content")
        if text:
            self.see_text(text)
            if len(delta) == 1:
                return
        text = delta.get("reasoning_content")
        if text:
            self.see_thought(text)
        calls = delta.get("tool_calls")
        if calls:
            for call in calls:
                function = call.get("function") or {}
                text = f"{function.get('name') or ''}{function.get('arguments') or ''}"
                self._output.append(text)
                self._grew(text)

    def see_text(self, text: str) -> None:
        """Note a piece of text that is not empty."""
        self._output.append(text)
        self._grew(text)

    def see_thought(self, text: str) -> None:
        """Note a piece of thinking that is not empty."""
        self._reasoning.append(text)
        self.thinking = True
        self._grew(text)

    def _grew(self, text: str) -> None:
        self.pieces += 1
        self._fresh.append(text)
        self.most_tokens += len(text) if text.isascii() else 3 * len(text)

    def counted_tokens(self) -> int:
        """Return the tokens sent so far by our own count; cheap when asked again, since only new text is looked at."""
        if self._fresh:
            self._counted += estimate_tokens("".join(self._fresh))
            self._fresh.clear()
        self.most_tokens = max(self._counted, self.pieces)
        return self.most_tokens

    @property
    def text(self) -> str:
        """The answer seen so far, without thinking."""
        return "".join(self._output)

    @property
    def reasoning_text(self) -> str:
        """The thinking seen so far."""
        return "".join(self._reasoning)

    @property
    def has_output(self) -> bool:
        """Whether any text, thinking or tool call was seen."""
        return bool(self._output or self._reasoning)

    def counted(self, body: dict[str, Any]) -> TokenUsage:
        """Return usage by our own count: the prompt estimated, the output that was seen counted."""
        reasoning = estimate_tokens(self.reasoning_text) if self._reasoning else 0
        output = estimate_tokens("".join(self._output)) if self._output else 0
        return TokenUsage(
            prompt=estimate_prompt(body),
            completion=output + reasoning,
            reasoning=reasoning,
            source=UsageSource.COUNTED,
        )

    def usage(self, body: dict[str, Any], context: int | None) -> TokenUsage:
        """Return the usage to settle: reported if plausible, else bounded and marked suspect, else counted."""
        if self.reported is None:
            return self.counted(body)
        return plausible(self.reported, context)


def plausible(usage: TokenUsage, context: int | None) -> TokenUsage:
    """Return usage whose parts fit the whole and the context; what had to be bent is marked ``suspect``."""
    limit = context if context is not None else usage.prompt + usage.completion
    if (
        0 <= usage.reasoning <= usage.completion <= limit
        and usage.cached >= 0 <= usage.cache_write
        and usage.cached + usage.cache_write <= usage.prompt <= limit
    ):
        return usage
    prompt = min(max(usage.prompt, 0), limit)
    completion = min(max(usage.completion, 0), limit)
    cached = min(max(usage.cached, 0), prompt)
    write = min(max(usage.cache_write, 0), prompt - cached)
    reasoning = min(max(usage.reasoning, 0), completion)
    return TokenUsage(prompt, completion, cached, write, reasoning, usage.source, suspect=True)
