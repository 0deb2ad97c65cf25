"""What came of sending a file: counts, the rejected rows, and what to do next.

Reads     what `send_file` has counted
Returns   `Summary` and `RowReject`, as values, as text for a person, as a document for a program
Promises  no value of the file stands in them: lines, codes, fields, numbers only (box: producers)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from esep.producers.row_codes import Language, text_of


class Outcome(StrEnum):
    """How sending a file ended."""

    COMPLETE = "COMPLETE"  # Receipts account for everything sent.
    NOT_AWAITED = "NOT_AWAITED"  # Everything is on the topic; nobody waited for receipts.
    WRITTEN_TO_FILE = "WRITTEN_TO_FILE"  # Nothing was sent: a signed file waits to be carried.
    RECEIPTS_OUTSTANDING = "RECEIPTS_OUTSTANDING"  # On the topic, but receipts stayed away too long.
    STOPPED_BY_CONFLICT = "STOPPED_BY_CONFLICT"  # The file is not as it was when it was sent before.
    STREAM_SHARED = "STREAM_SHARED"  # Somebody else sent on the same stream meanwhile.


WHAT_TO_DO = {
    Outcome.COMPLETE: "",
    Outcome.NOT_AWAITED: "Send the file again at any time to see what became of it: nothing is counted twice.",
    Outcome.WRITTEN_TO_FILE: "Nothing was sent: hand the file over. Its receipts come back by the same way.",
    Outcome.RECEIPTS_OUTSTANDING: "Is intake running? Send the file again later: nothing is counted twice.",
    Outcome.STOPPED_BY_CONFLICT: "The file was changed after it had been sent, so its events have other numbers now. "
    "Put it back as it was and send what is mended or new as a file of its own; or, if it is another file that "
    "happens to have the same name, send it with --stream.",
    Outcome.STREAM_SHARED: "The receipts count other events of this stream too: is it sent twice at the same time? "
    "Wait for the other one, then send the file again: nothing is counted twice.",
}


@dataclass(frozen=True, slots=True)
class RowReject:
    """One refused row, or one refused event of it.

    line: of the file, from 1 on (the header of CSV is line 1); of Parquet the number of the row. event_type, sequence:
    the event, where intake refused it; null where the row was held back before it was sent. to_mend: whether it
    belongs into the file of rejected rows.
    """

    line: int
    code: str
    field: str | None
    event_type: str | None = None
    sequence: int | None = None
    to_mend: bool = True

    def document(self, language: Language) -> dict[str, Any]:
        """Return this reject for a program to read."""
        return {
            "line": self.line,
            "code": self.code,
            "field": self.field,
            "text": text_of(self.code, language),
            "event_type": self.event_type,
            "sequence": self.sequence,
            "to_mend": self.to_mend,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of sending a file.

    rows: of this organizer; rows_rejected: of these, by us or by intake; rows_waiting: of these, held back until they
    have occurred. events_numbered: of all passing rows; events_skipped: known from an earlier sending, and not sent
    again; events_sent: handed to the broker and acknowledged, by now; the other counts of events come from receipts
    and add up to it when the outcome is COMPLETE. Seconds are wall time:
    sending (encoding included), and all.
    """

    file: str
    organizer_bin: str
    stream_id: str
    shift_days: int
    outcome: Outcome
    rows: int
    rows_rejected: int
    rows_waiting: int
    events_numbered: int
    events_sent: int
    events_skipped: int
    events_accepted: int
    events_duplicate: int
    events_rejected: int
    send_s: float
    total_s: float
    rejects: tuple[RowReject, ...]
    rejected_file: str | None = None

    @property
    def events_per_s(self) -> float:
        """Rate of sending."""
        return self.events_sent / self.send_s if self.send_s else 0.0

    @property
    def exit_code(self) -> int:
        """0: all accepted or duplicate; 1: something was rejected; 75: the answer is still out, send again later."""
        if self.outcome in {Outcome.RECEIPTS_OUTSTANDING, Outcome.STREAM_SHARED}:
            return 75  # sysexits EX_TEMPFAIL, as esep.errors.TransientError
        return 1 if self.rejects or self.outcome is Outcome.STOPPED_BY_CONFLICT else 0

    def document(self, language: Language = "en") -> dict[str, Any]:
        """Return all of it for a program to read."""
        names = [name for name in self.__slots__ if name not in {"rejects", "outcome"}]
        values = {name: getattr(self, name) for name in names}
        rejects = [reject.document(language) for reject in self.rejects]
        return {
            **values,
            "outcome": self.outcome.value,
            "what_to_do": WHAT_TO_DO[self.outcome],
            "events_per_s": round(self.events_per_s),
            "rejects": rejects,
        }
