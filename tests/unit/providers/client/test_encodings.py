"""Content codings are undone in bounded memory, whatever the pieces."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartoken.providers.encodings import OUTPUT_LIMIT, PIECE_BYTES, Decoder, EncodingError


def undone(decoder: Decoder, pieces: list[bytes]) -> bytes:
    out = b""
    for piece in pieces:
        decoder.feed(piece)
        while part := decoder.piece():
            assert len(part) <= PIECE_BYTES
            out += part
    return out


def coded(coding: str, body: bytes) -> bytes:
    if coding == "gzip":
        return gzip.compress(body, mtime=0)
    if coding == "deflate":
        return zlib.compress(body)
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(body) + engine.flush()


@given(st.sampled_from(["gzip", "deflate", "raw"]), st.binary(max_size=3000), st.lists(st.integers(1, 50), max_size=80))
def test_any_split_gives_the_body(coding: str, body: bytes, sizes: list[int]) -> None:
    packed = coded(coding, body)
    pieces, place = [], 0
    for size in sizes:
        pieces.append(packed[place : place + size])
        place += size
    decoder = Decoder("deflate" if coding == "raw" else coding)
    assert undone(decoder, [*pieces, packed[place:]]) == body
    assert decoder.whole


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_cut_body_is_never_whole(body: bytes, choice: st.DataObject) -> None:
    packed = gzip.compress(body, mtime=0)
    decoder = Decoder("gzip")
    undone(decoder, [packed[: choice.draw(st.integers(1, len(packed) - 1))]])
    assert not decoder.whole


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "", "gzip;q=1", "x-x-gzip"])
def test_another_coding_is_refused(coding: str) -> None:
    with pytest.raises(EncodingError):
        Decoder(coding)


def test_a_bomb_is_refused_after_its_first_mebibytes() -> None:
    decoder = Decoder("gzip")
    decoder.feed(gzip.compress(b"\0" * (256 << 20), mtime=0))
    given_out = [0]

    def drain() -> None:
        while part := decoder.piece():
            given_out[0] += len(part)

    with pytest.raises(EncodingError, match="20 times"):
        drain()
    assert given_out[0] < 6 << 20


def test_a_small_body_may_shrink_more_than_twentyfold() -> None:
    body = b"a" * (1 << 20)
    assert undone(Decoder("gzip"), [gzip.compress(body, mtime=0)]) == body


def test_the_whole_output_is_capped() -> None:
    # Stored and not compressed, so the ratio stays at one and only the cap can refuse.
    block = bytes(range(256)) * 16
    decoder = Decoder("gzip")
    stored = zlib.compressobj(0, wbits=31)

    def drain() -> None:
        for _ in range(OUTPUT_LIMIT // len(block) + 64):
            decoder.feed(stored.compress(block))
            while decoder.piece():
                pass

    with pytest.raises(EncodingError, match="64 MiB"):
        drain()


def test_members_without_number_are_refused() -> None:
    decoder = Decoder("gzip")
    decoder.feed(gzip.compress(b"", mtime=0) * 100)
    with pytest.raises(EncodingError, match="members"):
        decoder.piece()


@given(st.binary(max_size=200))
def test_no_input_does_anything_but_decode_or_be_refused(junk: bytes) -> None:
    for coding in ("gzip", "deflate"):
        decoder = Decoder(coding)
        try:
            undone(decoder, [junk[:7], junk[7:]])
        except EncodingError:
            continue
