"""The test cards: a model name picks a row of this table, ``?name=value&...`` after it changes single knobs. Pure.

``sandbox/echo?tokens=200&pace_ms=5`` is the echo card with an answer of 200 tokens, one every 5 ms. A knob that does
not exist or holds a wrong value raises ``UnknownCardError``, so that a misspelt test fails loudly. ``docs/sandbox.md``
explains every card and knob for readers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

PREFIX = "sandbox/"
PER_MILLION = 1_000_000
_MAX_KNOB = 10**12


class UnknownCardError(Exception):
    """The model name has no card, or names a knob that does not exist."""

    def __init__(self, message: str, *, missing: bool) -> None:
        """``missing``: the card itself does not exist, which is told as an unknown model."""
        super().__init__(message)
        self.missing = missing


class Fault(StrEnum):
    """What goes wrong on the wire; ``after`` says how many chunks later, ``how`` picks a kind."""

    NONE = ""
    CUT = "cut"  # closed inside a chunk; how: reset, between, clean
    STALL = "stall"  # silent for ever, or for stall_ms
    MALFORMED = "malformed"  # how: json utf8 html array text; and odd but valid: crlf cr comments multiline ...
    EMPTY = "empty"  # how: content (a whole answer without text), body (no bytes at all)
    HANG = "hang"  # the request is read, nothing is answered
    RESET = "reset"  # RST before any byte
    REFUSED = "closed"  # FIN before any byte
    ERROR_FIRST = "error-event-first"
    ERROR_LATE = "error-event-late"
    BAD_CHUNK_SIZE = "bad-chunk-size"
    WRONG_LENGTH = "wrong-content-length"  # how: long (default), short, twice
    WRONG_TYPE = "wrong-content-type"  # the right body under text/html
    GIANT = "giant-event"  # one event of `size` bytes
    NO_DONE = "finish-without-done"
    NO_FINISH = "done-without-finish"
    COMMENTS = "comments-first"  # keep-alive comments for `for_ms`
    GZIP_BOMB = "gzip-bomb"  # `size` bytes of zeros, compressed
    CLOSE_AFTER = "close-after"  # a right answer on a connection that then closes without having said so


class Usage(StrEnum):
    """How the reported usage lies."""

    RIGHT = "right"
    NONE = "none"
    ZERO = "zero"
    NEGATIVE = "negative"
    HUGE = "huge"
    BOOL = "bool"
    TEXT = "text"
    TWICE = "twice"
    EARLY = "early"


@dataclass(frozen=True, slots=True)
class Card:
    """All knobs of one answer. Times are milliseconds, lengths are tokens unless said otherwise."""

    name: str = "echo"
    # what is answered
    tokens: int = 0  # the exact length of the answer; 0: as the card says
    text: str = ""  # answer this instead
    think: int = -1  # tokens of thinking; -1: none, or as the vendor's switch says on the `model` card
    thinks: str = "never"  # never, asked (by the request or the vendor's default), always
    calls: str = "forced"  # forced (tool_choice asks for it), auto (whenever tools are there), always
    call_count: int = 1
    json: str = "asked"  # asked (by response_format), always, cut
    obeys_limit: bool = True
    worst: bool = False  # usage equals the bound before the call
    finish: str = ""  # say this finish reason
    # how fast and in what pieces
    head_ms: int = 0  # before the status line
    first_ms: int = 0  # before the first token
    pace_ms: int = 0  # between chunks
    step: int = 1  # tokens in a chunk
    frame: str = ""  # chunked, length, eof, trailers; empty: as the answer needs
    chunk_bytes: int = 0  # cut the body into HTTP chunks of this size; 0: one for each event
    write_bytes: int = 0  # cut everything into writes of this size; 0: as it comes
    byte_ms: int = 0  # between such writes
    # what fails
    fail: str = ""  # an error of this kind in the vendor's words; also redirect, html
    status: int = 0  # answer the error with this status
    variant: int = 0  # which of the vendor's wordings
    retry_after: str = ""
    fault: Fault = Fault.NONE
    how: str = ""
    after: int = 3
    stall_ms: int = 0  # 0: for ever
    for_ms: int = 2000
    size: int = 5_242_880
    to: str = "http://127.0.0.1:9/elsewhere"  # where `redirect` points
    chance: int = PER_MILLION  # of failing, in millionths; written as 0.5
    # what is reported
    usage: Usage = Usage.RIGHT
    cached: int = 0
    cache_write: int = 0
    prompt_tokens: int = -1  # say this instead of the count
    context: int = 1_000_000
    # the template overhead of worst-case, as in counting.Template
    base: int = 256
    per_message: int = 16
    tools_base: int = 512
    per_tool: int = 64
    # oddities that one vendor shows at times, joined with "+"; a claim of the dialect to break
    odd: str = ""
    wrong: str = ""


def _card(name: str, **knobs: Any) -> tuple[str, Card]:
    return name, Card(name=name, **knobs)


SHOWN: Mapping[str, Card] = MappingProxyType(
    dict(
        (
            _card("echo"),
            _card("slow", first_ms=2000),
            _card("rate-limited", fail="rate", retry_after="2"),
            _card("overloaded", fail="overload"),
            _card("out-of-credit", fail="broke"),
            _card("cut-mid-stream", fault=Fault.CUT, tokens=40),
            _card("stalls", fault=Fault.STALL, tokens=40),
            _card("malformed-stream", fault=Fault.MALFORMED, tokens=40),
            _card("no-usage", usage=Usage.NONE),
            _card("content-filter", fail="refusal"),
            _card("truncated-json", json="cut"),
            _card("tool-call", calls="always"),
            _card("reasoning", thinks="always", think=12),
            _card("worst-case", worst=True, context=32_768),
        )
    )
)

HIDDEN: Mapping[str, Card] = MappingProxyType(
    dict(
        (
            _card("model", thinks="asked", calls="auto"),
            _card("empty", fault=Fault.EMPTY),
            _card("hang", fault=Fault.HANG),
            _card("reset", fault=Fault.RESET),
            _card("closed", fault=Fault.REFUSED),
            _card("error-event-first", fault=Fault.ERROR_FIRST),
            _card("error-event-late", fault=Fault.ERROR_LATE, tokens=40),
            _card("usage-none", usage=Usage.NONE),
            _card("usage-huge", usage=Usage.HUGE),
            _card("usage-negative", usage=Usage.NEGATIVE),
            _card("usage-twice", usage=Usage.TWICE),
            _card("usage-zero", usage=Usage.ZERO),
            _card("usage-bool", usage=Usage.BOOL),
            _card("usage-text", usage=Usage.TEXT),
            _card("usage-early", usage=Usage.EARLY),
            _card("bad-chunk-size", fault=Fault.BAD_CHUNK_SIZE, tokens=40),
            _card("wrong-content-length", fault=Fault.WRONG_LENGTH),
            _card("wrong-content-type", fault=Fault.WRONG_TYPE),
            _card("giant-event", fault=Fault.GIANT),
            _card("drip", write_bytes=1),
            _card("tiny-chunks", chunk_bytes=1),
            _card("json-mode", json="always"),
            _card("ignores-max-tokens", obeys_limit=False),
            _card("finish-without-done", fault=Fault.NO_DONE),
            _card("done-without-finish", fault=Fault.NO_FINISH),
            _card("comments-first", fault=Fault.COMMENTS),
            _card("redirect", fail="redirect"),
            _card("html-502", fail="html"),
            _card("gzip-bomb", fault=Fault.GZIP_BOMB, size=104_857_600),
            _card("close-after", fault=Fault.CLOSE_AFTER),
            _card("eof-delimited", frame="eof"),
            _card("invalid-key", fail="invalid_key"),
            _card("too-long", fail="too_long"),
            _card("bad-param", fail="bad_param"),
        )
    )
)

CARDS: Mapping[str, Card] = MappingProxyType({**SHOWN, **HIDDEN})
_TYPES: Mapping[str, type] = MappingProxyType({each.name: type(each.default) for each in fields(Card)})
_ABSENT = ("missing", "nonexistent", "no-such", "not-a-real")


def _value(name: str, text: str) -> Any:
    if name == "chance":
        whole, _, part = text.partition(".")
        return min(PER_MILLION, int(whole or "0") * PER_MILLION + int(f"{part:0<6}"[:6]))
    kind = _TYPES[name]
    if kind is bool:
        return {"0": False, "false": False, "1": True, "true": True}[text.lower()]
    if kind is int:
        number = int(text)
        if abs(number) > _MAX_KNOB:
            raise ValueError(text)
        return number
    return kind(text)


@lru_cache(maxsize=1024)
def card_for(model: str, *, posing: bool) -> Card:
    """Return the card that a model name asks for.

    While posing, any other name is a vendor's model and gets the ``model`` card, unless it says that it does not
    exist (``...missing...``, ``...nonexistent...``, ``...no-such...``, ``...not-a-real...``).

    Raises:
        UnknownCardError: no such card or knob.

    """
    name, _, query = model.removeprefix(PREFIX).partition("?")
    card = CARDS.get(name)
    if card is None:
        if not posing or any(word in name.lower() for word in _ABSENT):
            raise UnknownCardError(f"The model `{name}` does not exist.", missing=True)
        card = HIDDEN["model"]
    if not query:
        return card
    knobs: dict[str, Any] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        knob = {"cut_after": "after", "limit": "obeys_limit", "n_calls": "call_count"}.get(key, key)
        if knob not in _TYPES or knob == "name":
            raise UnknownCardError(f"The sandbox has no knob `{key}`.", missing=False)
        try:
            knobs[knob] = _value(knob, text)
        except (ValueError, KeyError):
            raise UnknownCardError(f"`{text}` is no value of the sandbox knob `{key}`.", missing=False) from None
        if key == "cut_after" and "fault" not in knobs and card.fault is Fault.NONE:
            knobs["fault"] = Fault.CUT
    return replace(card, **knobs)


def spared(card: Card, seed: int, ordinal: int) -> bool:
    """Whether this request escapes what the card breaks: ``chance``, decided by seed and ordinal alone."""
    if card.chance >= PER_MILLION:
        return False
    roll = int.from_bytes(blake2b(f"{seed}|{card.name}|{ordinal}".encode(), digest_size=8).digest())
    return roll % PER_MILLION >= card.chance


def healed(card: Card) -> Card:
    """Return the card with nothing broken; what it answers and how fast stays."""
    return replace(
        card,
        fail="",
        status=0,
        fault=Fault.NONE,
        usage=Usage.RIGHT,
        finish="",
        chunk_bytes=0,
        write_bytes=0,
        frame="",
        obeys_limit=True,
        wrong="",
    )
