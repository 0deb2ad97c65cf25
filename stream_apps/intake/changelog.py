"""Streams as changelog records, and back.

Reads     streams that a poll has changed, or changelog records
Returns   keys and values; streams
Promises  the latest record of each key is the whole state, however the log was compacted; a record is as large as its
          message and a few bytes where a correction is held, otherwise at most 600 bytes and a stream id, or 16 bytes
          per correction of the same event (DESIGN §5; box: intake)

    c/<stream>             how many were accepted, rejected, repeated: three numbers as text
    r/<stream>/<first>     last sequence of the range of consumed ones that begins at <first>; null: no longer a range
    f/<stream>/<first>     likewise of refused events; a/… likewise of corrections
    m/<stream>/<l>.<n>     hash of node n of level l of its Merkle mountains; null: now part of a larger one
    h/<stream>/<slot>      number of the page in this slot, 8 bytes, and its digests
    v/<stream>/<sequence>  digests of the revisions of a corrected event, 16 bytes each
    p/<stream>/<sequence>  a held correction: offset and time of receipt, 8 bytes each, and its value; null: none
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.errors import InvariantBroken
from esep.stream_apps.intake.sequences import DIGEST_BYTES, Held, Page, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from esep.stream_apps.intake.ranges import Ranges

_NUMBER_BYTES = 8
_SETS = {b"r": "consumed", b"f": "refused", b"a": "amending"}


def changes_of(stream_id: str, stream: Stream) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the records of what has changed in a stream since it was made a successor."""
    name = stream_id.encode()
    yield b"c/%b" % name, b"%d %d %d" % (stream.accepted, stream.rejected, stream.duplicates)
    yield from _ranges(b"r/%b/%%d" % name, stream.consumed)
    for kind, part in ((b"f", "refused"), (b"a", "amending")):
        if part in stream.own:
            yield from _ranges(b"%b/%b/%%d" % (kind, name), getattr(stream, part))
    for node, digest in stream.mountains.changed.items():
        yield b"m/%b/%d.%d" % (name, *node), digest
    for slot in stream.changed_slots:
        page = stream.pages[slot]
        yield b"h/%b/%d" % (name, slot), _number(page.number) + page.digests
    for target in stream.changed_revisions:
        yield b"v/%b/%d" % (name, target), b"".join(stream.revisions[target])
    for sequence in stream.changed_held:
        held = stream.held.get(sequence)
        value = None if held is None else _number(held.offset) + _number(held.received_ms) + held.value
        yield b"p/%b/%d" % (name, sequence), value


def _ranges(key: bytes, numbers: Ranges) -> Iterator[tuple[bytes, bytes | None]]:
    for first, last in numbers.changed.items():
        yield key % first, None if last is None else b"%d" % last


def _number(number: int) -> bytes:
    return number.to_bytes(_NUMBER_BYTES, "big")


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
    if kind in _SETS:
        getattr(stream, _SETS[kind]).put(int(number), None if value is None else int(value))
    elif kind == b"m":
        level, place = map(int, number.split(b"."))
        stream.mountains.put((level, place), value)
    elif kind == b"p":
        _apply_held(stream, int(number), value)
    elif value is None:
        raise ValueError("a null where none may be")
    elif kind == b"h":
        stream.pages[int(number)] = Page(int.from_bytes(value[:_NUMBER_BYTES], "big"), value[_NUMBER_BYTES:])
    elif kind == b"v":
        parts = range(0, len(value), DIGEST_BYTES)
        stream.revisions[int(number)] = tuple(value[at : at + DIGEST_BYTES] for at in parts)
    elif kind == b"c":
        stream.accepted, stream.rejected, stream.duplicates = map(int, value.split())
    else:
        raise ValueError("neither counts nor a range, a page, revisions or a held correction")


def _apply_held(stream: Stream, sequence: int, value: bytes | None) -> None:
    if value is None:
        stream.held.pop(sequence, None)
        return
    offset, received_ms = (int.from_bytes(value[at : at + _NUMBER_BYTES], "big") for at in (0, _NUMBER_BYTES))
    stream.held[sequence] = Held(offset, received_ms, value[2 * _NUMBER_BYTES :])
