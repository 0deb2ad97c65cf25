"""The register of requests: each step a row, none ever changed.

Reads     table extract_steps
Writes    a row of it per step
Returns   `Standing`s
Promises  append-only; what is written is read again before it counts, so that of two decisions at once both officers
          are told the same one (O114-3, O114-C; decision 0031; box: sinks/clickhouse)
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from esep.errors import UsageError
from esep.sinks.clickhouse.extracts.requests import Asked, Deed, Standing, Step, checked, may_decide, said, standings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_COLUMNS = (
    *("request_id", "step", "noted_at", "officer", "reason"),
    *Asked._fields,
    *("manifest_sha256", "row_count"),
)
_NOTHING = ("", "", "", "", "", None, None, None)  # Of `Asked`, in a step that asks for nothing.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def request(client: Client, asked: Asked, officer: str, now: datetime) -> Standing:
    """Write down what is asked for, and return it; UsageError where it says too little or names a person in a text."""
    step = Step(
        f"extract-{secrets.token_hex(5)}",
        Deed.REQUESTED,
        _whole_ms(now),
        said("officer", officer),
        asked=checked(asked),
    )
    add(client, step)
    return standing_of(client, step.request_id)


def decide(client: Client, request_id: str, deed: Deed, officer: str, reason: str, now: datetime) -> Standing:
    """Approve or refuse a request; UsageError if it is decided already, or by who entered it."""
    before = standing_of(client, request_id)
    if before.decided is not None:
        raise _decided(before)
    if not may_decide(before, officer, deed):
        raise UsageError("who entered a request may not approve it", hint="another officer has to")
    noted_at = max(_whole_ms(now), before.entered.noted_at)  # Clocks of two machines may differ.
    step = Step(request_id, deed, noted_at, said("officer", officer), said("reason", reason))
    add(client, step)
    after = standing_of(client, request_id)
    if after.decided is None or after.decided[:5] != step[:5]:
        raise _decided(after)
    return after


def _decided(standing: Standing) -> UsageError:
    return UsageError(
        f"{standing.request_id} is decided already: {standing.state}", hint="`esep extract list` shows it"
    )


def add(client: Client, step: Step) -> None:
    """Write one step down."""
    row = [*step[:5], *(step.asked or _NOTHING), step.manifest_sha256, step.row_count]
    client.insert("extract_steps", [row], column_names=_COLUMNS)


def standing_of(client: Client, request_id: str) -> Standing:
    """Return what stands of a request; UsageError if there is none of this name."""
    found = standings(steps(client, request_id)).get(request_id)
    if found is None:
        raise UsageError("there is no request of this name", hint="`esep extract list` shows all")
    return found


def steps(client: Client, request_id: str = "") -> list[Step]:
    """Return all steps, or those of one request."""
    rows = client.query(
        """
        SELECT request_id, toString(step), toUnixTimestamp64Milli(noted_at), officer, reason,
            asker, basis, case_number, iin, organizer_bin, first_day, last_day, toUnixTimestamp64Milli(known_at),
            manifest_sha256, row_count, store_user
        FROM extract_steps WHERE {request_id:String} = '' OR request_id = {request_id:String}
        """,
        parameters={"request_id": request_id},
    ).result_rows
    return [_step(row) for row in rows]


def _step(row: Any) -> Step:
    name, deed, noted_ms, officer, reason, *asked, known_ms, manifest_sha256, row_count, store_user = row
    has_asked = deed == Deed.REQUESTED
    return Step(
        name,
        Deed(deed),
        _instant(noted_ms),
        officer,
        reason,
        Asked._make([*asked, None if known_ms is None else _instant(known_ms)]) if has_asked else None,
        manifest_sha256,
        int(row_count),
        store_user,
    )


def _whole_ms(at: datetime) -> datetime:
    """Return an instant as the table keeps it."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _instant(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
