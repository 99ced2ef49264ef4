"""The short way of a stream: a plain text goes from the upstream's bytes to the client's without waking the call.

The call waits for its next bytes as ever. Bytes that are one more text like the last (``providers.moulds``), for a
client that takes them now, under a hold that is far from its end, are passed on where they arrive: the same bytes, the
same count, the same checkpoints. Anything else is left for the call, which comes to know of nothing in between.
"""

from collections.abc import MutableMapping

from smartoken.clock import Clock
from smartoken.gateway.purse import Purse
from smartoken.gateway.reply import Reply
from smartoken.gateway.stream import AnswerStream
from smartoken.providers.streams import StreamReader


class Passage:
    """The short way of one attempt; ``heard`` is where the relay notes when clients last heard something."""

    __slots__ = ("_clock", "_heard", "_purse", "_reader", "_reply", "_stream")

    def __init__(self, reader: StreamReader, stream: AnswerStream, purse: Purse, reply: Reply, clock: Clock) -> None:
        self._reader = reader
        self._stream = stream
        self._purse = purse
        self._reply = reply
        self._clock = clock
        self._heard: MutableMapping[Reply, float] = {}

    def noting(self, heard: MutableMapping[Reply, float]) -> "Passage":
        """Return itself, noting there when the client heard something."""
        self._heard = heard
        return self

    def take(self, piece: bytes) -> bool:
        """Pass a piece on; false, and nothing done, where it takes the call to do so."""
        stream, reply = self._stream, self._reply
        if reply.gone or stream.done:
            return False
        text = self._reader.more(piece)
        if text is None or not self._purse.surely_covers(stream.meter, text):
            return False
        out = stream.moulded(text)
        if not out or not reply.at_once(out):
            return False
        stream.saw(text)
        self._reader.took(text)
        now = self._heard[reply] = self._clock.monotonic()
        self._purse.check(stream.meter, now)
        return True
