"""Bodies are the same after compression and decompression, and a broken one is an error."""

from __future__ import annotations

import gzip
import io

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.embedded.clickhouse.answers import QueryError
from esep.embedded.clickhouse.coding import PIECE_BYTES, accepted_encoding, compressor, decoded

PACK = {"gzip": gzip.compress, "lz4": lz4.frame.compress}
bodies = st.lists(st.binary(max_size=2_000), max_size=5)


@settings(deadline=None)
@given(bodies, st.sampled_from(["gzip", "lz4", "zstd"]))
def test_what_is_compressed_piece_by_piece_is_the_same_after_decompression(pieces: list[bytes], encoding: str) -> None:
    packer = compressor(encoding)
    packed = b"".join([packer.compress(piece) for piece in pieces] + [packer.flush()])
    assert b"".join(decoded(io.BytesIO(packed), encoding)) == b"".join(pieces)


@settings(deadline=None)
@given(bodies.filter(any), st.sampled_from(sorted(PACK)))
def test_body_of_several_frames_is_read_to_the_end(pieces: list[bytes], encoding: str) -> None:
    packed = b"".join(PACK[encoding](piece) for piece in pieces)
    assert b"".join(decoded(io.BytesIO(packed), encoding)) == b"".join(pieces)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=2_000), st.data(), st.sampled_from(sorted(PACK)))
def test_body_that_is_cut_off_is_an_error(body: bytes, data: st.DataObject, encoding: str) -> None:
    packed = PACK[encoding](body)
    cut = packed[: data.draw(st.integers(1, len(packed) - 1))]
    with pytest.raises(QueryError, match="or is cut off"):
        list(decoded(io.BytesIO(cut), encoding))


def test_large_body_comes_in_pieces_of_bounded_size() -> None:
    body = b"wager" * PIECE_BYTES
    pieces = list(decoded(io.BytesIO(gzip.compress(body, 1)), "gzip"))
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_encoding_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(QueryError, match="Content-Encoding xz is not known here"):
        list(decoded(io.BytesIO(b""), "xz"))


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [("", ""), ("identity", ""), ("gzip", "gzip"), ("zstd,lz4,gzip,deflate", "lz4"), ("gzip, lz4;q=0", "gzip")],
)
def test_cheapest_encoding_that_the_client_accepts_is_taken(accept: str, encoding: str) -> None:
    assert accepted_encoding(accept) == encoding
