"""Every error that leaves a part of esep, by what its catcher is to do.

EsepError
├── TransientError    abort and retry with backoff, then stop; commit nothing meanwhile
│   ├── BrokerUnavailable
│   ├── SinkUnavailable
│   ├── RegistryUnavailable
│   ├── SpoolUnwritable
│   └── PartUnready
├── InvariantBroken   our fault: stop the process at once, commit nothing
│   ├── PositionMismatch
│   ├── RowGap
│   ├── TotalsOverflow
│   ├── Unfenced
│   └── BooksUnbalanced
├── PlaceTaken        another worker has this place: leave with its own exit code, back off
└── UsageError        the caller's fault: message and hint on stderr, exit code 2
    ├── SettingInvalid
    ├── SchemaUnknown
    ├── SchemaIncompatible
    ├── FileUnusable
    └── MappingInvalid

A bad *record* is never an exception; it is a row with a reject code (`esep.codes`).

Reads     nothing
Returns   the classes of the tree; each knows the exit code of a process that it ends
Promises  no error text carries an IIN: texts name topics, partitions, offsets, lines, fields and codes
"""

from __future__ import annotations


class EsepError(Exception):
    """What happened, then detail, then hint: three sentences that an operator can act on."""

    exit_code = 1

    def __init__(self, what: str, *, detail: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.detail = detail
        self.hint = hint

    def document(self) -> dict[str, str | int | None]:
        """Return the error for a program."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "why": self.detail,
            "do": self.hint,
            "exit_code": self.exit_code,
        }

    def __str__(self) -> str:
        return "\n".join(
            line
            for line in (self.what, self.detail and f"  why:  {self.detail}", self.hint and f"  do:   {self.hint}")
            if line
        )


class TransientError(EsepError):
    """Infrastructure did not answer; the same work may go through later."""

    exit_code = 75  # sysexits EX_TEMPFAIL


class BrokerUnavailable(TransientError):
    """A Kafka broker did not answer in time."""


class SinkUnavailable(TransientError):
    """ClickHouse did not answer in time, or refused for want of resources."""


class RegistryUnavailable(TransientError):
    """A schema registry did not answer in time, or not as one."""


class SpoolUnwritable(TransientError):
    """An organizer's spool took nothing: its disk is full or failed, or the spool is as large as it may be."""


class PartUnready(TransientError):
    """A part of the stack did not become ready in time."""


class InvariantBroken(EsepError):
    """Something that cannot happen has happened: nothing may be committed any more."""

    exit_code = 70  # sysexits EX_SOFTWARE


class PositionMismatch(InvariantBroken):
    """The changelog's position record and the group's committed offset differ."""


class RowGap(InvariantBroken):
    """Row numbers of a lane are not last + 1."""


class TotalsOverflow(InvariantBroken):
    """A running total left the range in which it is exact."""


class Unfenced(InvariantBroken):
    """A commit was attempted under an assignment that the broker would not fence."""


class BooksUnbalanced(InvariantBroken):
    """Kafka and ClickHouse do not hold the same records."""


class PlaceTaken(EsepError):
    """Another worker runs under the same stage and ordinal and has fenced this one."""

    exit_code = 76


class UsageError(EsepError):
    """The caller asked for something that cannot be done as asked."""

    exit_code = 2


class SettingInvalid(UsageError):
    """A setting is missing or out of range."""


class SchemaUnknown(UsageError):
    """No schema of this name, version or id is in the manifest, or in the registry that gives the ids."""


class SchemaIncompatible(UsageError):
    """A registry refuses a schema: readers and writers of other versions would break."""


class FileUnusable(UsageError):
    """A file cannot be read as what it should be.

    code: of scope `file` (docs/reject-codes.md), where there is one. line: where it shows, from 1 on.
    """

    def __init__(
        self, what: str, *, detail: str = "", hint: str = "", code: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(what, detail=detail, hint=hint)
        self.code = code
        self.line = line

    def document(self) -> dict[str, str | int | None]:
        """Return the error for a program, with code and line."""
        return {**super().document(), "code": self.code, "line": self.line}


class MappingInvalid(UsageError):
    """A mapping does not say how columns become events."""
