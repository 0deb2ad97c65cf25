"""The state of alerts in its changelog: one record per posting, per alert, and the clock.

Reads     the changes of a poll; changelog records
Returns   the records of the changes; a state brought up to date
Promises  the latest record of each key is the whole state; a small posting is written once, and ended by a tombstone
          together with all others of its person and day (box: alerts)

Keys begin with a letter. `c`: the partition's clock. `s`: a small posting. `l`: a large entry. `d`: the alert of a
person and Almaty day.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from esep.errors import InvariantBroken
from esep.stream_apps.alerts.columns import Columns, Winning, days_of, slots_of
from esep.stream_apps.alerts.state import DIGEST_BYTES, AlertsData, AlertState, Changes, DayKey, Entry, LargeKey
from esep.stream_apps.poll import PERSON_KEY_BYTES, PERSON_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_CLOCK_KEY = b"c"
_CLOCK = struct.Struct("<q")
_HEAD = np.dtype([
    ("kind", "S1"), ("person", "<u8", PERSON_WORDS), ("day", "<i4"), ("revision", "<i4"), ("leg", "i1"),
])  # fmt: skip
_BODY = np.dtype([("occurred_ms", "<i8"), ("amount", "<i8"), ("offset", "<i8")])
_DAY = struct.Struct("<i")
_LEG = struct.Struct("<qiqq")  # occurred_ms, revision, amount_tiyn, offset.
_ALERT = struct.Struct(f"<i9s{DIGEST_BYTES}s")  # Revision, status, digest.


def records_of(data: AlertsData, changes: Changes) -> tuple[list[bytes], list[bytes | None]]:
    """Return the changelog records of changes that are not applied yet: tombstones first."""
    sweep = changes.sweep
    gone = _keys(data.small.held(sweep.slots), sweep.large, sweep.days)
    keys = [_CLOCK_KEY, *_keys(changes.small, changes.large, changes.days)]
    values = [
        _CLOCK.pack(changes.clock_ms),
        *_small_values(changes.small),
        *map(_large_value, changes.large.values()),
        *map(_alert_value, changes.days.values()),
    ]
    return [*gone, *keys], [*[None] * len(gone), *values]


def restore(data: AlertsData, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
    """Apply changelog records, in order.

    Raises InvariantBroken where a key is of no kind that is known.
    """
    put: defaultdict[bytes, dict[bytes, bytes]] = defaultdict(dict)
    gone: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for key, value in dict(zip(keys, values, strict=True)).items():
        if value is None:
            gone[key[:1]].append(key)
        else:
            put[key[:1]][key] = value
    if not put.keys() | gone.keys() <= {b"c", b"d", b"l", b"s"}:
        raise InvariantBroken("The changelog of alerts holds a record of no known kind.")
    heads = _heads(gone[b"s"])
    data.small.drop_days(slots_of(heads["person"], heads["day"]))
    data.small.put(_small(put[b"s"]))
    for key in gone[b"l"]:
        data.large.pop(_named(key), None)
    for key in gone[b"d"]:
        data.days.pop(_named(key), None)
    data.large.update((_named(key), _entry(_named(key)[1], value)) for key, value in put[b"l"].items())
    data.days.update((_named(key), _alert(value)) for key, value in put[b"d"].items())
    for value in put[b"c"].values():
        (data.clock_ms,) = _CLOCK.unpack(value)


def _keys(small: Columns, large: Iterable[LargeKey], days: Iterable[DayKey]) -> list[bytes]:
    named = ((b"l", large), (b"d", days))
    return [*_small_keys(small), *(kind + person + name.encode() for kind, keys in named for person, name in keys)]


def _small_keys(columns: Columns) -> list[bytes]:
    heads = np.zeros(len(columns.amounts), _HEAD)
    heads["kind"] = b"s"
    heads["person"], heads["day"] = columns.slots[:, :PERSON_WORDS], days_of(columns.slots)
    heads["revision"], heads["leg"] = columns.revisions, np.sign(columns.amounts)
    return [head + text for head, text in zip(_cut(heads), columns.entry_ids(), strict=True)]


def _small_values(columns: Columns) -> list[bytes]:
    bodies = np.zeros(len(columns.amounts), _BODY)
    bodies["occurred_ms"], bodies["amount"], bodies["offset"] = columns.occurred_ms, columns.amounts, columns.offsets
    return _cut(bodies)


def _small(records: Mapping[bytes, bytes]) -> Columns:
    """Return the postings of changelog records."""
    heads = _heads(records)
    bodies = np.frombuffer(b"".join(records.values()), _BODY)
    texts = [key[_HEAD.itemsize :] for key in records]
    return Columns(
        slots_of(heads["person"], heads["day"]),
        bodies["occurred_ms"],
        bodies["amount"],
        bodies["offset"],
        heads["revision"],
        np.frombuffer(b"".join(texts), np.uint8),
        np.array([len(text) for text in texts], np.int64),
    )


def _heads(keys: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(key[: _HEAD.itemsize] for key in keys), _HEAD)


def _named(key: bytes) -> tuple[bytes, str]:
    """Return the person and the entry id or Almaty day in a key."""
    return key[1 : 1 + PERSON_KEY_BYTES], key[1 + PERSON_KEY_BYTES :].decode()


def _large_value(entry: Entry) -> bytes:
    legs = (_LEG.pack(one.occurred_ms, one.revision, one.amount_tiyn, one.offset) for one in entry.legs)
    return _DAY.pack(entry.day) + _alert_value(entry.alert) + b"".join(legs)


def _entry(entry_id: str, value: bytes) -> Entry:
    (day,) = _DAY.unpack_from(value)
    alert, legs = value[_DAY.size :][: _ALERT.size], value[_DAY.size + _ALERT.size :]
    winnings = (
        Winning(occurred_ms, entry_id, revision, 1 if amount > 0 else -1, amount, offset)
        for occurred_ms, revision, amount, offset in _LEG.iter_unpack(legs)
    )
    return Entry(day, tuple(winnings), _alert(alert))


def _alert_value(alert: AlertState) -> bytes:
    return _ALERT.pack(alert.revision, alert.status.encode(), alert.digest)


def _alert(value: bytes) -> AlertState:
    revision, status, digest = _ALERT.unpack(value)
    return AlertState(revision, status.rstrip(b"\0").decode(), digest)


def _cut(rows: np.ndarray) -> list[bytes]:
    buffer, step = rows.tobytes(), rows.itemsize
    return [buffer[at : at + step] for at in range(0, len(buffer), step)]
