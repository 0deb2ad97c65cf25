"""Streams as changelog records, and back.

Reads     streams that a poll has changed, or changelog records
Returns   keys and values; streams
Promises  the latest record of each key is the whole state, however the log was compacted; no record is larger than 600
          bytes and a stream id, so none needs to be cut into chunks (DESIGN §5; box: intake)

    c/<stream>          how many were accepted, rejected, repeated: three numbers as text
    r/<stream>/<first>  last sequence of the range of consumed ones that begins at <first>; null: no longer a range
    h/<stream>/<slot>   number of the page in this slot, 8 bytes, and its digests
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.errors import InvariantBroken
from esep.stream_apps.intake.sequences import Page, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NUMBER_BYTES = 8


def changes_of(stream_id: str, stream: Stream) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the records of what has changed in a stream since it was made a successor."""
    name = stream_id.encode()
    yield b"c/%b" % name, b"%d %d %d" % (stream.accepted, stream.rejected, stream.duplicates)
    for first, last in stream.changed_ranges.items():
        yield b"r/%b/%d" % (name, first), None if last is None else b"%d" % last
    for slot in stream.changed_slots:
        page = stream.pages[slot]
        yield b"h/%b/%d" % (name, slot), page.number.to_bytes(_NUMBER_BYTES, "big") + page.digests


def apply_changes(streams: dict[str, Stream], keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
    """Apply the next changelog records, in order, to the streams of a partition.

    Raises InvariantBroken where a record is none of ours.
    """
    for key, value in zip(keys, values, strict=True):
        try:
            _apply(streams, key, value)
        except (ValueError, TypeError) as error:
            raise InvariantBroken("The changelog of intake holds a record that is none of intake's.") from error


def _apply(streams: dict[str, Stream], key: bytes, value: bytes | None) -> None:
    kind, name, number = (key + b"/").split(b"/")[:3]
    stream = streams.setdefault(name.decode(), Stream())
    if kind == b"r":
        stream.put_range(int(number), None if value is None else int(value))
    elif kind == b"h" and value is not None:
        stream.pages[int(number)] = Page(int.from_bytes(value[:_NUMBER_BYTES], "big"), value[_NUMBER_BYTES:])
    elif kind == b"c" and value is not None:
        stream.accepted, stream.rejected, stream.duplicates = map(int, value.split())
    else:
        raise ValueError("neither counts nor a range nor a page")
