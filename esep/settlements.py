"""What a nightly run leaves behind for the next one: how far it has settled, and how far its lanes are.

Reads     records of `compliance.settlements`
Returns   `Settlement`: as a record, with its key and headers
Promises  no I/O and no clock of its own; names no person (DESIGN §7; decision 0035)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esep.clock import to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

Written = dict[tuple[str, int, str], int]  # Of a rule's id and version, and a status: how many alerts.


@dataclass(frozen=True, slots=True)
class Settlement:
    """A run. from_ms, until_ms: what clock it has settled from and up to. rows: by partition, the last of its lane."""

    number: int = 0
    from_ms: int = 0
    until_ms: int = 0
    rows: Mapping[int, int] = field(default_factory=dict)
    written: Written = field(default_factory=dict)

    def followed(self, until_ms: int, rows: Mapping[int, int], written: Written) -> Settlement:
        """Return the run after this one."""
        return Settlement(self.number + 1, self.until_ms, until_ms, {**self.rows, **rows}, written)

    @property
    def key(self) -> bytes:
        """The message key: the instants between which it has settled."""
        return f"{_rfc3339(self.from_ms)}/{_rfc3339(self.until_ms)}".encode()

    def record(self) -> dict[str, Any]:
        """Return it as a record of schemas/settlement."""
        return {
            "number": self.number,
            "settled_from_at": self.from_ms,
            "settled_until_at": self.until_ms,
            "rows": [{"partition": partition, "row": row} for partition, row in sorted(self.rows.items())],
            "written": [
                {"rule_id": rule_id, "rule_version": version, "status": status, "alerts": count}
                for (rule_id, version, status), count in sorted(self.written.items())
            ],
        }

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the CloudEvents 1.0 headers (Kafka protocol binding, binary mode)."""
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": str(self.number),
            "ce_type": "kz.esep.settlement.v1",
            "ce_source": "urn:kz:esep:settlements",
            "ce_subject": self.key.decode(),
            "ce_time": _rfc3339(self.until_ms),
            "content-type": "avro/binary",
        }
        return [(name, value.encode()) for name, value in attributes.items()]


def settlement_of(record: Mapping[str, Any]) -> Settlement:
    """Return what a record says."""
    return Settlement(
        number=record["number"],
        from_ms=to_ms(record["settled_from_at"]),
        until_ms=to_ms(record["settled_until_at"]),
        rows={one["partition"]: one["row"] for one in record["rows"]},
        written={(one["rule_id"], one["rule_version"], one["status"]): one["alerts"] for one in record["written"]},
    )


def _rfc3339(instant_ms: int) -> str:
    instant = datetime.fromtimestamp(instant_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
