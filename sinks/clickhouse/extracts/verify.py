"""Is an extract what the authority signed, and does the ledger still say the same?

Reads     a folder with a manifest and its files; the register; view extract_postings of what the manifest covers
Returns   `Findings`
Promises  writes nothing but in a directory of its own that is gone again; whoever has the root can verify the files
          without the store (O114-3; decision 0031; box: sinks/clickhouse)
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esep.errors import FileUnusable, UsageError
from esep.sinks.clickhouse.extracts import register
from esep.sinks.clickhouse.extracts.files import hash_of, sums_in, write_postings_csv
from esep.sinks.clickhouse.extracts.layout import columns_sha256
from esep.sinks.clickhouse.extracts.look import Look
from esep.sinks.clickhouse.extracts.make import sums_by_type
from esep.sinks.clickhouse.extracts.manifest import MANIFEST, opened
from esep.sinks.clickhouse.reports.coverage import Coverage
from esep.sinks.clickhouse.reports.facts import Lane

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from cryptography.x509 import Certificate

    from esep.sinks.clickhouse.extracts.manifest import Manifest

MANIFEST_BYTES_MAX = 64 * 1024 * 1024  # Some 200,000 lanes.


@dataclass(frozen=True, slots=True)
class Findings:
    """What speaks against an extract; nothing does where all are empty. again: None where the store was not asked."""

    manifest: Manifest
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    wrong: tuple[str, ...]
    is_noted: bool | None = None
    again: str | None = None

    @property
    def is_genuine(self) -> bool:
        """Whether the files are those that were signed, and, where the store was asked, noted in the register."""
        return not (self.changed or self.missing or self.unknown or self.wrong) and self.is_noted is not False

    @property
    def is_again(self) -> bool:
        """Whether the ledger says the same, or was not asked."""
        return self.again in {None, self.manifest.checksum}

    def to_json(self) -> dict[str, Any]:
        """Return it for a program to read."""
        return {
            "request_id": self.manifest.request_id,
            "genuine": self.is_genuine,
            "changed": list(self.changed),
            "missing": list(self.missing),
            "unknown": list(self.unknown),
            "wrong": list(self.wrong),
            "noted": self.is_noted,
            "rows": self.manifest.row_count,
            "checksum": self.manifest.checksum,
            "checksum_again": self.again,
            "same_again": None if self.again is None else self.is_again,
        }


def verify_files(folder: Path, root: Certificate) -> Findings:
    """Return what the files themselves say; FileUnusable unless the authority has signed the manifest."""
    manifest = opened(_manifest_in(folder), root)
    named = {one.name: one.sha256 for one in manifest.files}
    there = {path.name: path for path in folder.iterdir() if path.name != MANIFEST}
    changed = tuple(name for name, digest in named.items() if name in there and hash_of(there[name]) != digest)
    wrong = []
    parquet, text = there.get("postings.parquet"), named.get("postings.csv")
    if text is not None and text != manifest.checksum:
        wrong.append("postings.csv is not what the checksum stands for")
    if parquet is not None and parquet.name in named and parquet.name not in changed:
        if manifest.columns_sha256 != columns_sha256():
            raise UsageError("the extract has columns of another version", hint=f"verify it with {manifest.program}")
        if sums_by_type(sums_in(parquet)) != manifest.sums:
            wrong.append("the sums of postings.parquet are not those of the manifest")
    return Findings(
        manifest,
        changed,
        tuple(name for name in named if name not in there),
        tuple(sorted(there.keys() - named.keys())),
        tuple(wrong),
    )


def verify_again(client: Client, folder: Path, found: Findings) -> Findings:
    """Look whether the register knows the extract, and take it again from what it covers; return both with the rest."""
    manifest = found.manifest
    if manifest.columns_sha256 != columns_sha256():
        raise UsageError("the extract has columns of another version", hint=f"verify it with {manifest.program}")
    standing = register.standing_of(client, manifest.request_id)
    digest = sha256(_manifest_in(folder)).hexdigest()
    is_noted = any(step.manifest_sha256 == digest for step in standing.extracted)
    lanes = tuple(Lane(**one.model_dump()) for one in manifest.coverage)
    look = Look(client, standing.asked, Coverage(lanes, manifest.known_at))
    with tempfile.TemporaryDirectory(prefix="esep-extract-") as name:
        parquet = Path(name) / "postings.parquet"
        look.write_parquet(parquet)
        again = write_postings_csv(parquet, Path(name) / "postings.csv")
    return Findings(manifest, found.changed, found.missing, found.unknown, found.wrong, is_noted=is_noted, again=again)


def _manifest_in(folder: Path) -> bytes:
    try:
        with (folder / MANIFEST).open("rb") as file:
            return file.read(MANIFEST_BYTES_MAX)
    except OSError as error:
        raise FileUnusable(f"{folder / MANIFEST} cannot be read", detail=error.strerror or "") from error
