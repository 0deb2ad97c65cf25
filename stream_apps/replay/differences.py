"""What is not the same in a stretch of a lane, told record by record.

Reads     the records of a stretch as they were committed, and as they were worked out anew
Returns   `Difference` per record that is missing, surplus, there repeatedly, changed or out of order
Promises  a record is named by lane, row, offsets and entry; of a field that differs the name, and the two values only
          where it is a count, a sum or a place: no IIN, no key and no text of an organizer (DESIGN §5; box: replay)
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from esep.codec import INDEX, decode
from esep.identifiers import masked
from esep.lineage import Lane
from esep.versions import upgraded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Kind = Literal["MISSING", "SURPLUS", "REPEATED", "CHANGED", "OUT_OF_ORDER", "UNREADABLE", "UNKNOWN_CAUSE"]
_TOLD = ("_tiyn", "_count")  # Fields whose values are told: sums and counts …
_PLACES = {"row", "cause_partition", "cause_offset", "revision", "leg", "sequence", "through_offset"}  # … and places.
_AS_TEXT = {
    "MISSING": "is missing",
    "SURPLUS": "is there and does not follow from the input",
    "REPEATED": "is there again",
    "CHANGED": "is not what follows from the input",
    "OUT_OF_ORDER": "stands behind later rows",
    "UNREADABLE": "is no record of its topic",
    "UNKNOWN_CAUSE": "names a cause that is no input",
}


class Entry(NamedTuple):
    """One record of a lane. offset: on its topic; None where it was worked out."""

    row: int
    offset: int | None
    key: bytes | None
    value: bytes | None


class Difference(NamedTuple):
    """One record that is not the same on both sides.

    offset: of the committed record, if there is one. cause_offset: of the input that it says led to it. entry: what
    the record is about. fields: what of it differs.
    """

    lane: Lane
    kind: Kind
    row: int | None
    offset: int | None
    cause_offset: int | None = None
    entry: str | None = None
    fields: tuple[str, ...] = ()

    @property
    def _cause(self) -> str:
        """What a record says of its cause, which may be anything."""
        return masked(str(self.lane.cause))

    def __str__(self) -> str:
        """Return it as one sentence."""
        where = f"{self._cause} to {self.lane.output}: " + (f"row {self.row:,}" if self.row else "a record")
        at = f" at offset {self.offset}" if self.offset is not None else ""
        about = f" ({self.entry})" if self.entry else ""
        cause = f", caused by offset {self.cause_offset}" if self.cause_offset is not None else ""
        what = f": {'; '.join(self.fields)}" if self.fields else ""
        return f"{where}{at}{about}{cause} {_AS_TEXT[self.kind]}{what}"

    def to_json(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "cause": self._cause,
            "output": str(self.lane.output),
            "kind": self.kind,
            "row": self.row,
            "offset": self.offset,
            "cause_offset": self.cause_offset,
            "entry": self.entry,
            "fields": list(self.fields),
        }


def explain(
    lane: Lane, record: str, there: Sequence[Entry], anew: Sequence[Entry], late: Sequence[Entry] = ()
) -> list[Difference]:
    """Return what differs between the records that are there, in the order of the topic, and those worked out anew.

    late: those that stand behind later rows of the lane; told where nothing else differs.
    """
    wanted = {entry.row: entry for entry in anew}
    found: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in there:
        found[entry.row].append(entry)
    differences: list[Difference] = []
    for row in sorted({*wanted, *found}):
        expected, same_row = wanted.get(row), found.get(row, [])
        if expected is None:
            differences += [difference_of(lane, record, "SURPLUS", entry) for entry in same_row]
            continue
        if not same_row:
            differences.append(difference_of(lane, record, "MISSING", expected))
            continue
        # Of several with one row the one that is right counts, whichever it is.
        right = next((entry for entry in same_row if entry[2:] == expected[2:]), same_row[0])
        if right[2:] != expected[2:]:
            differences.append(difference_of(lane, record, "CHANGED", right, changed_fields(record, right, expected)))
        differences += [difference_of(lane, record, "REPEATED", entry) for entry in same_row if entry is not right]
    return differences or [difference_of(lane, record, "OUT_OF_ORDER", entry) for entry in late]


def difference_of(lane: Lane, record: str, kind: Kind, entry: Entry, fields: Iterable[str] = ()) -> Difference:
    """Return the difference of one record, named as far as it can be read."""
    content = content_of(record, entry.value) or {}
    return Difference(
        lane, kind, entry.row, entry.offset, content.get("cause_offset"), name_of(record, content), tuple(fields)
    )


def changed_fields(record: str, there: Entry, anew: Entry) -> list[str]:
    """Return the fields of a record that differ, values only of those that name nobody."""
    told = ["the message key"] if there.key != anew.key else []
    one, other = content_of(record, there.value), content_of(record, anew.value)
    if one is None or other is None:
        return [*told, "it is no record of its topic"]
    return [*told, *fields_between(one, other)] or ["the bytes, though they say the same"]


def fields_between(there: Mapping[str, Any], anew: Mapping[str, Any]) -> list[str]:
    """Return the fields that differ.

    >>> fields_between({"iin": "900101300007", "row": 7}, {"iin": "900101300811", "row": 8})
    ['iin', 'row is 7, not 8']
    """
    return [
        f"{name} is {value}, not {anew[name]}" if name.endswith(_TOLD) or name in _PLACES else name
        for name, value in there.items()
        if value != anew[name]
    ]


def content_of(record: str, value: bytes | None) -> dict[str, Any] | None:
    """Return the fields of a message value in the columns of the newest version, None if it is no such record."""
    decoded = decode([value], frozenset({record}))
    return None if decoded.bad else upgraded(decoded.frames, record).drop(INDEX).row(0, named=True)


def name_of(record: str, content: Mapping[str, Any]) -> str | None:
    """Return what a record is about: entry, alert or receipt; no IIN that stands in the name of a stream.

    >>> name_of("ledger", {"entry_id": "940140000385/desk-900101300007/4", "revision": 1, "leg": -1})
    'entry 940140000385/desk-************/4 revision 1 leg -1'
    """
    return masked(_name_of(record, content)) if content else None


def _name_of(record: str, content: Mapping[str, Any]) -> str:
    if record == "alert":
        return f"alert {content['alert_id']} revision {content['revision']}"
    if record == "receipt":
        return f"receipt through offset {content['through_offset']}"
    if record == "rejected":
        if content["stream_id"] is None:
            return f"{content['reject_code']}"
        entry = f"{content['organizer_bin']}/{content['stream_id']}/{content['sequence']}"
        return f"entry {entry} {content['reject_code']}"
    return f"entry {content['entry_id']} revision {content['revision']} leg {content['leg']}"
