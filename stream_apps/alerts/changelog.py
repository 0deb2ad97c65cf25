"""The state of alerts in its changelog: one record per posting, per entry, per alert, and the clock.

Reads     the changes of a poll; changelog records, those of the first layout too
Returns   the records of the changes; a state brought up to date
Promises  the latest record of each key is the whole state; a posting is written once, and ended by a tombstone together
          with all others of its person and day (box: alerts)

Keys begin with a letter. `c`: the partition's clock. `s`: a posting that windows look at. `e`: an entry. `a`: an alert
of a bucket of the calendar. `r`: a file of rules that was taken. Before there was a language of rules, `l` was an entry
of WIN_THRESHOLD and `d` an alert of WIN_STRUCTURED: they are read, and give way to what was written later.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from esep.errors import InvariantBroken
from esep.stream_apps.alerts.columns import FACTS, WINNING, Columns, Posting, days_of, joined, slots_of
from esep.stream_apps.alerts.state import (
    DIGEST_BYTES,
    AlertKey,
    AlertsData,
    AlertState,
    Changes,
    Entry,
    EntryKey,
    RuleKey,
)
from esep.stream_apps.poll import PERSON_KEY_BYTES, PERSON_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_CLOCK_KEY = b"c"
_CLOCK = struct.Struct("<q")
_NUMBER = struct.Struct("<i")
_BEGIN = struct.Struct("<iq")  # Of a taking: a partition of the ledger, and an offset.
_HEAD = np.dtype([
    ("kind", "S1"), ("person", "<u8", PERSON_WORDS), ("day", "<i4"), ("revision", "<i4"), ("leg", "i1"),
])  # fmt: skip
_FIRST_BODY = np.dtype([("occurred_ms", "<i8"), ("amount", "<i8"), ("offset", "<i8")])  # Of `s`, in the first layout.
_DAY = struct.Struct("<i")
_COUNT = struct.Struct("<H")
_LEG = struct.Struct("<qiqqiiB")  # occurred_ms, revision, amount_tiyn, offset, odds_milli, flags, kind.
_FIRST_LEG = struct.Struct("<qiqq")
_ALERT = struct.Struct(f"<i9s{DIGEST_BYTES}s")  # Revision, status, digest.
_BETWEEN = b"\0"  # Rule id, version and bucket: none of them has one.
_FIRST_RULES = {b"l": ("WIN_THRESHOLD", 1), b"d": ("WIN_STRUCTURED", 1)}


def records_of(data: AlertsData, changes: Changes) -> tuple[list[bytes], list[bytes | None]]:
    """Return the changelog records of changes that are not applied yet: tombstones first."""
    sweep = changes.sweep
    gone = _keys(data.postings.held(sweep.slots), sweep.entries, sweep.alerts)
    takings = changes.under.takings if changes.under is not None else {}
    taken = [number for number in takings if number not in data.takings]
    keys = [
        *(b"r" + _NUMBER.pack(number) for number in taken),
        _CLOCK_KEY,
        *_keys(changes.postings, changes.entries, changes.alerts),
    ]
    values = [
        *(_begins_value(takings[number]) for number in taken),
        _CLOCK.pack(changes.clock_ms),
        *_posting_values(changes.postings),
        *map(_entry_value, changes.entries.values()),
        *map(_alert_value, changes.alerts.values()),
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
    if not put.keys() | gone.keys() <= {b"a", b"c", b"d", b"e", b"l", b"r", b"s"}:
        raise InvariantBroken("The changelog of alerts holds a record of no known kind.")
    heads = _heads(gone[b"s"])
    data.postings.drop_days(slots_of(heads["person"], heads["day"]))
    data.put(_postings(put[b"s"]))
    for key in gone[b"e"]:
        data.entries.pop(_entry_key(key), None)
    for key in gone[b"a"]:
        data.alerts.pop(_alert_key(key), None)
    for key, value in put[b"l"].items():
        data.entries.setdefault(_entry_key(key), _first_entry(_entry_key(key)[1], value))
    for key, value in put[b"d"].items():
        person, bucket = _entry_key(key)
        data.alerts.setdefault(AlertKey(person, *_FIRST_RULES[b"d"], bucket), _alert(value))
    data.entries.update((_entry_key(key), _entry(_entry_key(key)[1], value)) for key, value in put[b"e"].items())
    data.alerts.update((_alert_key(key), _alert(value)) for key, value in put[b"a"].items())
    for key, value in put[b"r"].items():
        data.takings[_NUMBER.unpack(key[1:])[0]] = dict(_BEGIN.iter_unpack(value))
    for value in put[b"c"].values():
        (data.clock_ms,) = _CLOCK.unpack(value)


def _keys(postings: Columns, entries: Iterable[EntryKey], alerts: Iterable[AlertKey]) -> list[bytes]:
    return [
        *_posting_keys(postings),
        *(b"e" + person + entry_id.encode() for person, entry_id in entries),
        *(b"a" + one.person + _rule(one.rule_id, one.version) + one.bucket.encode() for one in alerts),
    ]


def _posting_keys(columns: Columns) -> list[bytes]:
    facts = columns.facts
    heads = np.zeros(len(columns), _HEAD)
    heads["kind"] = b"s"
    heads["person"], heads["day"] = columns.slots[:, :PERSON_WORDS], days_of(columns.slots)
    heads["revision"], heads["leg"] = facts["revision"], np.sign(facts["amount"])
    ends = facts["entry_length"].tolist()
    return [head + text[:end] for head, text, end in zip(_cut(heads), columns.own_texts(), ends, strict=True)]


def _posting_values(columns: Columns) -> list[bytes]:
    ends = columns.facts["entry_length"].tolist()
    return [fact + text[end:] for fact, text, end in zip(_cut(columns.facts), columns.own_texts(), ends, strict=True)]


def _postings(records: Mapping[bytes, bytes]) -> Columns:
    """Return the postings of changelog records."""
    heads = _heads(records)
    entries = [key[_HEAD.itemsize :] for key in records]
    values = [
        _of_first_layout(value, head["revision"], entry) if len(value) == _FIRST_BODY.itemsize else value
        for value, head, entry in zip(records.values(), heads, entries, strict=True)
    ]
    facts = np.frombuffer(b"".join(value[: FACTS.itemsize] for value in values), FACTS)
    texts, lengths = joined(entry + value[FACTS.itemsize :] for entry, value in zip(entries, values, strict=True))
    return Columns(slots_of(heads["person"], heads["day"]), facts, texts, lengths)


def _of_first_layout(value: bytes, revision: int, entry: bytes) -> bytes:
    """Return a value of the first layout, which knew payouts of winnings only, as one of today."""
    fact = np.zeros(1, FACTS)
    for name in _FIRST_BODY.names or ():
        fact[name] = np.frombuffer(value, _FIRST_BODY)[name]
    fact["revision"], fact["kind"], fact["entry_length"] = revision, WINNING, len(entry)
    return fact.tobytes()


def _heads(keys: Iterable[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(key[: _HEAD.itemsize] for key in keys), _HEAD)


def _entry_key(key: bytes) -> EntryKey:
    """Return the person and the entry id (or, in the first layout, the Almaty day) in a key."""
    return key[1 : 1 + PERSON_KEY_BYTES], key[1 + PERSON_KEY_BYTES :].decode()


def _alert_key(key: bytes) -> AlertKey:
    rule_id, version, bucket = key[1 + PERSON_KEY_BYTES :].split(_BETWEEN)
    return AlertKey(key[1 : 1 + PERSON_KEY_BYTES], rule_id.decode(), int(version), bucket.decode())


def _rule(rule_id: str, version: int) -> bytes:
    return rule_id.encode() + _BETWEEN + b"%d" % version + _BETWEEN


def _entry_value(entry: Entry) -> bytes:
    alerts = (_rule(*key) + _alert_value(alert) for key, alert in entry.alerts.items())
    legs = (
        _LEG.pack(one.occurred_ms, one.revision, one.amount_tiyn, one.offset, one.odds_milli, one.flags, one.kind)
        for one in entry.legs
    )
    return _DAY.pack(entry.day) + _COUNT.pack(len(entry.alerts)) + b"".join(alerts) + b"".join(legs)


def _entry(entry_id: str, value: bytes) -> Entry:
    (day,), (count,) = _DAY.unpack_from(value), _COUNT.unpack_from(value, _DAY.size)
    rest, alerts = value[_DAY.size + _COUNT.size :], {}
    for _ in range(count):
        rule_id, version, rest = rest.split(_BETWEEN, 2)
        alerts[rule_id.decode(), int(version)] = _alert(rest[: _ALERT.size])
        rest = rest[_ALERT.size :]
    legs = (
        Posting(occurred_ms, entry_id, revision, 1 if amount > 0 else -1, amount, offset, kind, odds_milli, flags)
        for occurred_ms, revision, amount, offset, odds_milli, flags, kind in _LEG.iter_unpack(rest)
    )
    return Entry(day, tuple(legs), alerts)


def _first_entry(entry_id: str, value: bytes) -> Entry:
    """Return an entry of the first layout."""
    (day,) = _DAY.unpack_from(value)
    alert, legs = value[_DAY.size :][: _ALERT.size], value[_DAY.size + _ALERT.size :]
    postings = (
        Posting(occurred_ms, entry_id, revision, 1 if amount > 0 else -1, amount, offset)
        for occurred_ms, revision, amount, offset in _FIRST_LEG.iter_unpack(legs)
    )
    rule: RuleKey = _FIRST_RULES[b"l"]
    return Entry(day, tuple(postings), {rule: _alert(alert)})


def _begins_value(begins: Mapping[int, int]) -> bytes:
    return b"".join(_BEGIN.pack(partition, offset) for partition, offset in sorted(begins.items()))


def _alert_value(alert: AlertState) -> bytes:
    return _ALERT.pack(alert.revision, alert.status.encode(), alert.digest)


def _alert(value: bytes) -> AlertState:
    revision, status, digest = _ALERT.unpack(value)
    return AlertState(revision, status.rstrip(b"\0").decode(), digest)


def _cut(rows: np.ndarray) -> list[bytes]:
    buffer, step = rows.tobytes(), rows.itemsize
    return [buffer[at : at + step] for at in range(0, len(buffer), step)]
