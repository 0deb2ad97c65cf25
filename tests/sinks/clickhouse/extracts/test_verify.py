"""Whether an extract is genuine: by whoever has the root, and by the store."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from esep.errors import FileUnusable, UsageError
from esep.sinks.clickhouse.extracts import verify as module
from esep.sinks.clickhouse.extracts.make import Order, make_extract
from esep.sinks.clickhouse.extracts.manifest import MANIFEST
from esep.sinks.clickhouse.extracts.verify import verify_again, verify_files
from tests.sinks.clickhouse.extracts.conftest import NOW
from tests.support.receipt_signing import ROOT_CERTIFICATE, SIGNING_KEY
from tests.support.report_books import ReportBooks, history

if TYPE_CHECKING:
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.extracts.requests import Standing

KINDS = ("parquet", "csv")
pytestmark = pytest.mark.clickhouse


@pytest.fixture
def folder(client: Client, approved: Standing, tmp_path: Path) -> Path:
    make_extract(
        client, approved, Order("c", NOW + timedelta(minutes=1), "esep test", "kk", KINDS), SIGNING_KEY, tmp_path
    )
    return tmp_path / approved.request_id


def test_extract_is_genuine_and_stays_the_same_when_more_is_loaded(
    client: Client, books: ReportBooks, folder: Path
) -> None:
    books.report(history(9, 20))
    found = verify_files(folder, ROOT_CERTIFICATE)
    assert found.is_genuine
    assert found.is_again
    again = verify_again(client, folder, found)
    assert (again.is_noted, again.again) == (True, again.manifest.checksum)
    assert again.to_json()["same_again"] is True


def test_every_change_of_the_files_is_told(folder: Path) -> None:
    (folder / "postings.csv").write_bytes(b"other")
    (folder / "sums.csv").unlink()
    (folder / "note.txt").write_text("look here")
    found = verify_files(folder, ROOT_CERTIFICATE)
    assert (found.changed, found.missing, found.unknown) == (("postings.csv",), ("sums.csv",), ("note.txt",))
    assert not found.is_genuine


def test_extract_that_the_register_does_not_know_is_not_genuine(
    client: Client, approved: Standing, folder: Path, tmp_path: Path
) -> None:
    """Signed with the right key, and noted nowhere."""
    other = tmp_path / "other"
    later = Order("c", NOW + timedelta(minutes=2), "esep test", "kk", KINDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("esep.sinks.clickhouse.extracts.register.add", lambda client, step: None)
        make_extract(client, approved, later, SIGNING_KEY, other)
    strange = other / approved.request_id
    found = verify_again(client, strange, verify_files(strange, ROOT_CERTIFICATE))
    assert found.is_noted is False
    assert not found.is_genuine


def test_columns_of_another_version_are_not_judged(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verify_files(folder, ROOT_CERTIFICATE)
    monkeypatch.setattr(module, "columns_sha256", lambda: "0" * 64)
    for look in (lambda: verify_files(folder, ROOT_CERTIFICATE), lambda: verify_again(client, folder, found)):
        with pytest.raises(UsageError, match="columns of another version"):
            look()


def test_folder_without_manifest_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns(MANIFEST))
    with pytest.raises(FileUnusable, match="cannot be read"):
        verify_files(tmp_path / "copy", ROOT_CERTIFICATE)
