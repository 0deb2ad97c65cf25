"""Make an extract that was approved: look once, write the files, sign the manifest, note it, and only then show it.

Reads     the register; view extract_postings of a coverage
Writes    a folder of files that their owner alone can read; a step EXTRACTED of the register
Returns   `Manifest`
Promises  the register alone says what is taken; the folder is there whole or not at all, and noted before it is there;
          sums are added up by the engine and from the file, and must agree; no person in any name of a file
          (O114-3, O114-C; decision 0031; box: sinks/clickhouse)
"""

from __future__ import annotations

import base64
import os
import shutil
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from esep.errors import BooksUnbalanced, UsageError
from esep.keys import write_secret
from esep.sinks.clickhouse.extracts import register
from esep.sinks.clickhouse.extracts.files import (
    hash_of,
    places_in,
    postings_of,
    sums_csv,
    sums_in,
    write_postings_csv,
)
from esep.sinks.clickhouse.extracts.layout import VERSION, VIEW, columns_sha256
from esep.sinks.clickhouse.extracts.look import Look
from esep.sinks.clickhouse.extracts.manifest import (
    MANIFEST,
    Covered,
    Done,
    FileOf,
    Held,
    Manifest,
    SumOf,
    sealed,
)
from esep.sinks.clickhouse.extracts.requests import Deed, Step
from esep.sinks.clickhouse.extracts.sheets import Taken, sheet_of_extract
from esep.sinks.clickhouse.reports.coverage import coverage_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import polars as pl
    from clickhouse_connect.driver.client import Client

    from esep.receipt_keys import SigningKey
    from esep.sinks.clickhouse.extracts.look import Sums
    from esep.sinks.clickhouse.extracts.requests import Standing
    from esep.sinks.clickhouse.reports.words import Language

KINDS = ("parquet", "csv", "xlsx", "pdf")
_PARQUET, _CSV = "postings.parquet", "postings.csv"


@dataclass(frozen=True, slots=True)
class Order:
    """How an extract is made. officer: who makes it; at: UTC; program: its name and version."""

    officer: str
    at: datetime
    program: str
    language: Language = "kk"
    kinds: tuple[str, ...] = KINDS


def make_extract(client: Client, standing: Standing, order: Order, key: SigningKey, to: Path) -> Manifest:
    """Make a new folder named after the request in `to`, and return its manifest.

    Raises UsageError if the request is not approved, the folder is there already, or a file cannot hold that many rows;
    BooksUnbalanced if file and engine disagree.
    """
    folder, part = to / standing.request_id, to / f".{standing.request_id}.part"
    approved = standing.approved
    if approved is None:
        raise UsageError(
            f"{standing.request_id} is not approved: {standing.state}",
            hint="`esep extract approve`, by another officer",
        )
    if folder.exists():
        raise UsageError(f"{folder} is there already", hint="move it away, or name another folder")
    to.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(part, ignore_errors=True)  # What a command left that was killed.
    part.mkdir(mode=0o700)
    try:
        taken = _taken(client, standing, order, part)
        held = places_in(part / _PARQUET)
        _write(taken, part, order)
        manifest = _manifest(taken, approved, held, order, key).model_copy(update={"files": _files(part)})
        content = sealed(manifest, key)
        write_secret(part / MANIFEST, content)
        _settle(part)
        digest = sha256(content).hexdigest()
        step = Step(standing.request_id, Deed.EXTRACTED, max(order.at, approved.noted_at), order.officer)
        register.add(client, step._replace(manifest_sha256=digest, row_count=manifest.row_count))
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def _taken(client: Client, standing: Standing, order: Order, part: Path) -> Taken:
    """Write the postings as Parquet and CSV, and return what was taken."""
    look = Look(client, standing.asked, coverage_of(client, standing.asked.known_at))
    look.write_parquet(part / _PARQUET)
    sums = look.sums()
    if sums != sums_in(part / _PARQUET):
        raise BooksUnbalanced(
            "the extract and the ledger disagree about its sums",
            detail="rows came or went while it was made",
            hint="make it again; if it stays so, run `esep reconcile`",
        )
    checksum = write_postings_csv(part / _PARQUET, part / _CSV)
    removed = tuple(look.removed_months())
    return Taken(standing, order.officer, order.at, order.program, look.coverage.lanes, removed, sums, checksum)


def _write(taken: Taken, part: Path, order: Order) -> None:
    """Write the other files, and leave of the first two those that are wanted."""
    if "csv" in order.kinds:
        write_secret(part / "sums.csv", sums_csv(taken.sums))
    if "xlsx" in order.kinds:
        from esep.sinks.clickhouse.reports.xlsx_file import ROWS_MAX, xlsx_of  # noqa: PLC0415 - an extra of its own

        _refuse_more(taken, ROWS_MAX - 10, "xlsx")
        write_secret(part / "extract.xlsx", xlsx_of(sheet_of_extract(taken, _frame(part), order.language)))
    if "pdf" in order.kinds:
        from esep.sinks.clickhouse.reports.pdf import ROWS_MAX, pdf_of  # noqa: PLC0415 - likewise

        _refuse_more(taken, ROWS_MAX, "pdf")
        sheet = sheet_of_extract(taken, _frame(part), order.language, is_paper=True)
        write_secret(part / "extract.pdf", pdf_of(sheet))
    for kind, name in (("parquet", _PARQUET), ("csv", _CSV)):
        if kind not in order.kinds:
            (part / name).unlink()


def _refuse_more(taken: Taken, rows_max: int, kind: str) -> None:
    rows = sum(row[5] for row in taken.sums)
    if rows > rows_max:
        raise UsageError(
            f"{rows:,} postings are too many for {kind.upper()}",
            hint="leave it out: --kind parquet --kind csv",
        )


def _frame(part: Path) -> pl.DataFrame:
    return postings_of(part / _PARQUET).collect()


def _files(part: Path) -> tuple[FileOf, ...]:
    found = sorted(part.iterdir())
    return tuple(FileOf(name=one.name, sha256=hash_of(one), size_bytes=one.stat().st_size) for one in found)


def _manifest(taken: Taken, approved: Step, held: list[dict[str, int]], order: Order, key: SigningKey) -> Manifest:
    """Return the manifest, without its files."""
    asked, entered = taken.standing.asked, taken.standing.entered
    return Manifest(
        request_id=taken.standing.request_id,
        asker=asked.asker,
        basis=asked.basis,
        case_number=asked.case_number,
        is_about_person=bool(asked.iin),
        organizer_bin=asked.organizer_bin,
        first_day=asked.first_day,
        last_day=asked.last_day,
        known_at=asked.known_at,
        view=VIEW,
        columns_version=VERSION,
        columns_sha256=columns_sha256(),
        entered=Done(officer=entered.officer, at=entered.noted_at),
        approved=Done(officer=approved.officer, at=approved.noted_at),
        extracted=Done(officer=order.officer, at=order.at),
        program=order.program,
        language=order.language,
        checksum=taken.checksum,
        row_count=sum(row[5] for row in taken.sums),
        sums=sums_by_type(taken.sums),
        held=tuple(Held(**one) for one in held),
        coverage=tuple(Covered(**asdict(lane)) for lane in taken.lanes),
        removed_months=taken.removed,
        files=(),
        key_id=key.key_id,
        certificate=base64.b64encode(key.certificate_der).decode(),
    )


def sums_by_type(sums: Sums) -> dict[str, SumOf]:
    """Return what the postings of each type of event come to.

    >>> sums_by_type((("", "", "2026-11", "WAGER", "", 3, 1, 500), ("", "", "2026-12", "WAGER", "", 1, 1, 20)))
    {'WAGER': SumOf(postings=4, entries=2, tiyn=520)}
    """
    found: dict[str, SumOf] = {}
    for *_, event_type, _kind, postings, entries, tiyn in sums:
        one = found.get(event_type, SumOf(postings=0, entries=0, tiyn=0))
        found[event_type] = SumOf(postings=one.postings + postings, entries=one.entries + entries, tiyn=one.tiyn + tiyn)
    return found


def _settle(part: Path) -> None:
    """See that all of it is on the disk before it is shown."""
    for path in (*part.iterdir(), part):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
