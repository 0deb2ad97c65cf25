"""Compress and decompress bodies on the way, piece by piece.

Reads     Content-Encoding, Accept-Encoding, pieces of a body
Returns   pieces of the other form
Promises  a body that is cut off or broken is an error and never a shorter body; one frame per answer, since not every
          client reads on after the first (box: embedded)
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from esep.embedded.clickhouse.answers import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_BYTES = 1024 * 1024
_DECODERS = {"gzip": "gzip", "lz4": "lz4", "zstd": "zstd", "br": "brotli", "bz2": "bz2"}
_GZIP_LEVEL = 3  # ClickHouse's http_zlib_compression_level.
_ENCODERS = ("lz4", "zstd", "gzip")  # The cheapest first: on one machine the processor is scarcer than the line.


class Source(Protocol):
    """Where bytes come from: at most size of them, none at the end."""

    def read(self, size: int) -> bytes:
        """Return the next bytes."""


class Compressor(Protocol):
    """Takes bytes and returns those that are ready to be sent."""

    def compress(self, data: bytes) -> bytes:
        """Return what is ready."""

    def flush(self) -> bytes:
        """Return the rest; nothing may be compressed after it."""


def decoded(source: Source, encoding: str) -> Iterator[bytes]:
    """Yield a body as it was before the client compressed it, in pieces of at most 1 MiB.

    encoding: the value of Content-Encoding. Raises QueryError for one that is not known, and for a body that is not it.
    """
    if encoding in {"", "identity"}:
        yield from iter(lambda: source.read(PIECE_BYTES), b"")
        return
    if encoding not in _DECODERS:
        known = ", ".join(_DECODERS)
        raise refusal(48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding} is not known here, but {known}")
    stream = pa.CompressedInputStream(pa.PythonFile(_Readable(source), mode="r"), _DECODERS[encoding])
    while piece := _read(stream, encoding):
        yield piece


def accepted_encoding(accept: str) -> str:
    """Return the encoding for an answer to this Accept-Encoding, empty for none.

    >>> accepted_encoding("gzip, deflate;q=0.5, lz4"), accepted_encoding("gzip;q=0, br")
    ('lz4', '')
    """
    parts = [part.replace(" ", "").partition(";") for part in accept.lower().split(",")]
    accepted = {name for name, _, weight in parts if not weight.startswith(("q=0;", "q=0.0")) and weight != "q=0"}
    return next((name for name in _ENCODERS if name in accepted), "")


def compressor(encoding: str) -> Compressor:
    """Return a compressor for one answer. encoding: of `accepted_encoding`, not empty."""
    return zlib.compressobj(_GZIP_LEVEL, wbits=31) if encoding == "gzip" else _ArrowCompressor(encoding)


class _ArrowCompressor:
    def __init__(self, codec: str) -> None:
        self._ready = bytearray()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(_Writable(self._ready), mode="w"), codec)

    def compress(self, data: bytes) -> bytes:
        self._stream.write(data)
        return self._taken()

    def flush(self) -> bytes:
        self._stream.close()
        return self._taken()

    def _taken(self) -> bytes:
        taken = bytes(self._ready)
        self._ready.clear()
        return taken


class _Readable(io.RawIOBase):
    def __init__(self, source: Source) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._source.read(size if size >= 0 else PIECE_BYTES)


class _Writable(io.RawIOBase):
    def __init__(self, ready: bytearray) -> None:
        self._ready = ready

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # narrower than any buffer: only pyarrow calls it
        self._ready += data
        return len(data)


def _read(stream: pa.CompressedInputStream, encoding: str) -> bytes:
    try:
        return bytes(stream.read(PIECE_BYTES))
    except (OSError, pa.ArrowException) as error:
        raise refusal(117, "INCORRECT_DATA", f"The body is not {encoding}, or is cut off") from error
