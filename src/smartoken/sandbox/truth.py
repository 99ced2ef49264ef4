"""What the sandbox received and what it really sent, for the tests that compare. Bounded; never an error.

"Sent" means handed to the kernel for a peer that was there: what a peer read is for the peer to say.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, overload

import orjson

MAX_BODY_BYTES = 64 * 1024 * 1024
_SHOWN_KEY = 4


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    method: str
    path: str  # with the query
    headers: Mapping[str, str]  # lower-case names
    raw: bytes

    @property
    def body(self) -> Any:
        """The body as JSON, or ``None`` if it is none."""
        try:
            return orjson.loads(self.raw)
        except orjson.JSONDecodeError:
            return None

    def shown(self) -> dict[str, Any]:
        """Return it for reading over HTTP: of a key only the last characters are told."""
        headers = dict(self.headers)
        for name in ("authorization", "x-api-key", "api-key"):
            if name in headers:
                headers[name] = f"***{headers[name][-_SHOWN_KEY:]}"
        return {"method": self.method, "path": self.path, "headers": headers, "body": self.body}


@dataclass(frozen=True, slots=True)
class Said:
    """What one piece of an answer says; ``tokens`` is how many of the completion it carries."""

    text: str = ""
    thinking: str = ""
    arguments: str = ""
    tokens: int = 0
    finish: str | None = None
    usage: Any = None


NOTHING = Said()


@dataclass(slots=True, eq=False)
class Truth:
    """What one request was answered with.

    The counts are those of the whole answer as scripted, by the rule of ``counting``; ``tokens_sent``, ``finish``
    and the texts grow as it is written. ``reported`` is the usage that the wire said.
    """

    id: str  # of the answer
    keys: tuple[str, ...] = ()  # x-request-id, then the body's `user` or `user_id`
    dialect: str = "openai"
    model: str = ""
    card: str = ""
    stream: bool = False
    status: int = 0
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    reported: Any = None
    tokens_sent: int = 0
    finish: str | None = None
    failed: str = ""  # the kind of error that was answered
    ended: str = "playing"  # complete, cut, stalled, reset, hung, client_left
    _text: list[str] = field(default_factory=list)
    _thinking: list[str] = field(default_factory=list)
    _arguments: list[str] = field(default_factory=list)

    def add(self, said: Said) -> None:
        """Note what one piece that was written says."""
        self.tokens_sent += said.tokens
        if said.text:
            self._text.append(said.text)
        if said.thinking:
            self._thinking.append(said.thinking)
        if said.arguments:
            self._arguments.append(said.arguments)
        if said.finish:
            self.finish = said.finish
        if said.usage is not None:
            self.reported = said.usage

    @property
    def text(self) -> str:
        """The answer's text that was sent (all choices, in the order of sending)."""
        return "".join(self._text)

    @property
    def thinking(self) -> str:
        """The thinking that was sent."""
        return "".join(self._thinking)

    @property
    def arguments(self) -> str:
        """The tool calls' arguments that were sent."""
        return "".join(self._arguments)

    @property
    def cut(self) -> bool:
        """Whether the answer did not end as an answer should."""
        return self.ended != "complete"

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        names = [each.name for each in fields(self) if not each.name.startswith("_")]
        return {name: getattr(self, name) for name in (*names, "text", "thinking", "arguments", "cut")}


class Requests(Sequence[Received]):
    """The last requests, oldest first; bounded in number and in bytes."""

    def __init__(self, keep: int) -> None:
        self._kept: deque[Received] = deque()
        self._keep = keep
        self._bytes = 0
        self.total = 0

    def add(self, request: Received) -> None:
        """Note a request; the oldest go when there are too many."""
        self.total += 1
        self._kept.append(request)
        self._bytes += len(request.raw)
        while self._kept and (len(self._kept) > self._keep or self._bytes > MAX_BODY_BYTES):
            self._bytes -= len(self._kept.popleft().raw)

    @overload
    def __getitem__(self, index: int) -> Received: ...
    @overload
    def __getitem__(self, index: slice) -> list[Received]: ...
    def __getitem__(self, index: int | slice) -> Received | list[Received]:
        """Return one by position, or a list for a slice."""
        return list(self._kept)[index] if isinstance(index, slice) else self._kept[index]

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._bytes = 0


@dataclass(slots=True)
class Truths:
    """The last truths, findable by the id of the answer, the ``x-request-id`` sent, or the body's ``user``."""

    keep: int
    _kept: OrderedDict[str, Truth] = field(default_factory=OrderedDict)
    _by_key: dict[str, list[Truth]] = field(default_factory=dict)

    def add(self, truth: Truth) -> None:
        """Note the truth of a request that begins to be answered."""
        if self.keep <= 0:
            return
        self._kept[truth.id] = truth
        for key in truth.keys:
            self._by_key.setdefault(key, []).append(truth)
        while len(self._kept) > self.keep:
            _, oldest = self._kept.popitem(last=False)
            for key in oldest.keys:
                known = self._by_key[key]
                known.remove(oldest)
                if not known:
                    del self._by_key[key]

    def of(self, key: str) -> list[Truth]:
        """Return every answer to this request id, user or answer id, oldest first: one for each attempt."""
        own = self._kept.get(key)
        return [own] if own is not None else list(self._by_key.get(key, ()))

    def __getitem__(self, key: str) -> Truth:
        """Return the last answer for a key.

        Raises:
            KeyError: nothing is known of it.

        """
        found = self.of(key)
        if not found:
            raise KeyError(key)
        return found[-1]

    def __iter__(self) -> Iterator[Truth]:
        return iter(list(self._kept.values()))

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._by_key.clear()
