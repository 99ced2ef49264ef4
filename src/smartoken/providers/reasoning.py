"""Thinking text kept for tool turns, for vendors that refuse a turn which lost it. Pure; lives in memory only.

OpenAI clients drop ``reasoning_content``; DeepSeek, Kimi and MiMo answer 400 unless an assistant message with tool
calls carries it. So the text is remembered per account under its tool calls, for at most an hour and 64 MB in all,
oldest out first, and put back when a message comes without it. What is lost becomes a single space and is told.

Ids alone do not do: Kimi counts them from zero in every conversation ("get_weather_0"). A call is therefore known by
its ``fingerprint``: id, function name and arguments.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

LIFETIME_S = 3_600
MAX_BYTES = 64 << 20
LOST = " "
WARNING = "reasoning-lost"
_OVERHEAD = 256  # bytes of bookkeeping per entry and per call, measured generously


def fingerprint(call: Mapping[str, Any]) -> str:
    """Return what one tool call is known by; arguments that mean the same JSON are the same."""
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    try:
        parsed = orjson.loads(arguments) if isinstance(arguments, str) else arguments
        plain = orjson.dumps(parsed, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        plain = str(arguments).encode("utf-8", "replace")
    name = str(function.get("name", "")).encode("utf-8", "replace")
    digest = blake2b(name + b"\0" + plain, digest_size=16).hexdigest()
    return f"{call.get('id', '')}:{digest}"


@dataclass(frozen=True, slots=True)
class _Entry:
    keys: tuple[tuple[str, str], ...]
    text: str
    size: int
    at: float


class ReasoningStore:
    """Bounded memory of thinking texts; ``now`` is a monotonic time in seconds, handed in."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, lifetime_s: float = LIFETIME_S) -> None:
        """Hold at most ``max_bytes`` in all, each text for ``lifetime_s`` seconds."""
        self._max_bytes = max_bytes
        self._lifetime_s = lifetime_s
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._by_key: dict[tuple[str, str], int] = {}
        self._next = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, number: int) -> None:
        entry = self._entries.pop(number)
        self.bytes -= entry.size
        for key in entry.keys:
            if self._by_key.get(key) == number:
                del self._by_key[key]

    def sweep(self, now: float) -> None:
        """Forget what is too old."""
        while self._entries:
            number, entry = next(iter(self._entries.items()))
            if entry.at > now - self._lifetime_s:
                return
            self._drop(number)

    def remember(self, account: str, tool_call_ids: Sequence[str], text: str, now: float) -> None:
        """Keep the thinking of an answer under its calls (fingerprints); an answer without calls needs none."""
        self.sweep(now)
        keys = tuple((account, each) for each in tool_call_ids)
        size = len(text.encode("utf-8", "surrogatepass")) + _OVERHEAD * (1 + len(keys))
        if not keys or size > self._max_bytes:
            return
        self._next += 1
        self._entries[self._next] = _Entry(keys, text, size, now)
        self._by_key.update(dict.fromkeys(keys, self._next))
        self.bytes += size
        while self.bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def recall(self, account: str, tool_calls: Sequence[Any], now: float) -> str | None:
        """Return the thinking that led to these calls; None when it is lost or was never known."""
        for call in tool_calls:
            if not isinstance(call, dict):
                continue
            number = self._by_key.get((account, fingerprint(call)))
            if number is not None and self._entries[number].at > now - self._lifetime_s:
                return self._entries[number].text
        return None

    def attach(self, account: str, messages: Sequence[Any], now: float) -> tuple[list[Any], bool]:
        """Return the messages with thinking put back on tool turns, and whether any of it was lost.

        The given messages are not changed. A message that carries its own ``reasoning_content`` stays as it is.
        """
        self.sweep(now)
        out, lost = list(messages), False
        for place, message in enumerate(messages):
            if not isinstance(message, dict) or message.get("role") != "assistant" or message.get("reasoning_content"):
                continue
            calls = message.get("tool_calls")
            if not isinstance(calls, list) or not calls:
                continue
            text = self.recall(account, calls, now)
            lost = lost or text is None
            out[place] = {**message, "reasoning_content": text or LOST}
        return out, lost
