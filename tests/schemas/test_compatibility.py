"""Every version of a record reads what any other wrote: FULL_TRANSITIVE, by the checker of Apache Avro itself.

DESIGN §3; clause D934-42.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import make_avsc_object

from esep.schemas import all_schemas, newest, schema, versions

Change = Callable[[dict[str, dict[str, Any]]], None]
RECORDS = sorted({one.record for one in all_schemas()})


def reads(reader: dict[str, Any], writer: dict[str, Any]) -> bool:
    """Return whether data of one schema can be read with another."""
    found = ReaderWriterCompatibilityChecker().get_compatibility(make_avsc_object(reader), make_avsc_object(writer))
    return found.compatibility is SchemaCompatibilityType.compatible


@pytest.mark.parametrize("record", RECORDS)
def test_every_version_reads_every_other(record: str) -> None:
    """Clause D934-42."""
    for reader, writer in permutations(versions(record), 2):
        assert reads(reader.parsed(), writer.parsed()), (record, reader.version, writer.version)


def test_records_that_evolved_are_those_of_the_longer_list() -> None:
    """Or the test above would hold for want of versions."""
    assert {record for record in RECORDS if len(versions(record)) > 1} == {
        "wager", "payout", "correction", "accepted", "ledger", "alert", "instrument_posting",
    }  # fmt: skip


def _without_default(fields: dict[str, dict[str, Any]]) -> None:
    del fields["device_kind"]["default"]


def _without_null(fields: dict[str, dict[str, Any]]) -> None:
    fields["wager_id"]["type"] = ["null", "string"]


def _other_type(fields: dict[str, dict[str, Any]]) -> None:
    fields["amount_tiyn"]["type"] = "string"


def _narrower(fields: dict[str, dict[str, Any]]) -> None:
    fields["amount_tiyn"]["type"] = "int"


def _inside(fields: dict[str, dict[str, Any]]) -> None:
    fields["selections"]["type"]["items"]["fields"].append({"name": "sport", "type": "string"})


def _renamed(fields: dict[str, dict[str, Any]]) -> None:
    fields["selections"]["type"]["items"]["name"] = "Choice"


@pytest.mark.parametrize("change", [_without_default, _without_null, _other_type, _narrower, _inside, _renamed])
def test_checker_finds_a_version_that_breaks(change: Change) -> None:
    first, changed = schema("wager").parsed(), newest("wager").parsed()
    change({field["name"]: field for field in changed["fields"]})
    assert not (reads(first, changed) and reads(changed, first))
