"""Undo the content coding of an answer with bounded memory and a bounded ratio. Pure; fails closed.

We ask for ``identity``; some upstreams compress all the same. gzip and deflate are undone, anything else is refused.
Beyond 1 MiB of output, output over 20 times the input is a bomb and is refused; so is more than 64 MiB in all.
"""

import zlib

RATIO_LIMIT = 20
RATIO_FREE_BYTES = 1 << 20
OUTPUT_LIMIT = 64 << 20
PIECE_BYTES = 256 << 10
MEMBER_LIMIT = 64  # each further member copies the rest of its input, so their number is held

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB_HEADER_BYTES = 2


class EncodingError(ValueError):
    """The coded body is broken, too large, or of an unknown coding."""


class Decoder:
    """One coded body. ``feed`` bytes, then take ``piece`` until it is empty; ``whole`` says whether the body ended."""

    __slots__ = ("_coding", "_engine", "_fed", "_given", "_members", "_more", "_pending")

    def __init__(self, coding: str) -> None:
        """Take the value of Content-Encoding; raises ``EncodingError`` for one that is not undone here."""
        self._coding = coding.strip().lower().removeprefix("x-")
        if self._coding not in {"gzip", "deflate"}:
            raise EncodingError("content coding is not one that this gateway takes (identity, gzip, deflate)")
        self._engine: zlib._Decompress | None = None
        self._pending = b""
        self._fed = 0
        self._given = 0
        self._members = 0
        self._more = False

    def feed(self, coded: bytes) -> None:
        """Add bytes of the coded body."""
        self._fed += len(coded)
        self._pending += coded

    def piece(self) -> bytes:
        """Return up to 256 KiB of the body, b"" when more input is needed. Raises ``EncodingError``."""
        while self._pending or self._more:
            engine = self._current()
            if engine is None:
                return b""
            try:
                out = engine.decompress(self._pending, PIECE_BYTES)
            except zlib.error as error:
                raise EncodingError("coded body is broken") from error
            self._pending = engine.unused_data if engine.eof else engine.unconsumed_tail
            self._more = len(out) == PIECE_BYTES and not engine.eof  # zlib may hold output after its last input
            if out:
                self._given += len(out)
                self._check()
                return out
        return b""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing: no input at all, or a coded body with its end mark."""
        return not self._pending and (self._fed == 0 or (self._engine is not None and self._engine.eof))

    def _current(self) -> "zlib._Decompress | None":
        """Return the engine for the pending bytes: a further gzip member gets a new one; deflate waits for 2 bytes."""
        if self._engine is not None and not self._engine.eof:
            return self._engine
        if self._coding == "gzip":
            self._members += 1
            if self._members > MEMBER_LIMIT:
                raise EncodingError("coded body has over 64 members")
            self._engine = zlib.decompressobj(_GZIP)
        elif self._engine is not None:
            raise EncodingError("bytes follow the coded body")
        elif len(self._pending) >= _ZLIB_HEADER_BYTES:
            first, second = self._pending[0], self._pending[1]
            wrapped = first & 0x0F == zlib.DEFLATED and (first << 8 | second) % 31 == 0
            self._engine = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return self._engine

    def _check(self) -> None:
        if self._given > OUTPUT_LIMIT:
            raise EncodingError("decoded body is over 64 MiB")
        if self._given > RATIO_FREE_BYTES and self._given > RATIO_LIMIT * self._fed:
            raise EncodingError("decoded body is over 20 times its coded size")
