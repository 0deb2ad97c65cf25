"""A signed file from the organizer's desk to the ledger's door and its receipts back (clause O114-3)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner, Result

from esep.access_files import write_bundle
from esep.cli.receive import receive
from esep.cli.send import send
from esep.errors import FileUnusable, SettingInvalid, UsageError
from esep.keys import make_signing_key
from esep.producers.receipts import open_receipt
from tests.producers.bets import DESK, lost, new_bin, won, write_file
from tests.producers.fake_intake import FakeIntake, make_topics, read_events
from tests.support.receipt_signing import ROOT_CERTIFICATE
from tests.support.secured import OTHER, OURS, Secured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.brokers import Broker

ORGANIZER = "940140000385"


class Desk:
    """An organizer without a line: a file of rows, a key, and the command line."""

    def __init__(self, folder: Path, organizer_bin: str = ORGANIZER, servers: str = "127.0.0.1:1") -> None:
        self.folder, self.bin, self.servers = folder, organizer_bin, servers
        self.out, self.key, self.mapping = folder / "desk-7.esep", folder / "medium.key", folder / "desk.yaml"
        make_signing_key(self.key)
        self.mapping.write_text(DESK.model_dump_json(exclude_unset=True), encoding="utf-8")
        rows = (won("t-1", at="2026-01-10T10:00:00Z"), lost("t-2", at="2026-01-10T10:00:00Z"))
        self.file = write_file(folder / "desk-7.csv", *rows)

    def write(self, *more: object) -> Result:
        fixed = (self.file, "--organizer", self.bin, "--mapping", self.mapping, "--to-file", self.out)
        return call(send, *fixed, *more)

    def receive(self, *more: object, organizer_bin: str | None = None, key: Path | None = None) -> Result:
        public = (key or self.key).with_suffix(".pub")
        fixed = (self.out, "--organizer", organizer_bin or self.bin, "--organizer-key", public)
        return call(receive, *fixed, "--bootstrap-servers", self.servers, *more)


def call(command: Callable[..., None], *arguments: object) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.mark.kafka
def test_file_is_carried_taken_in_twice_and_its_receipts_carried_back(broker: Broker, tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_bin(), broker.bootstrap_servers)
    make_topics(desk.servers, desk.bin)
    (tmp_path / "authority.pem").write_bytes(_public_pem())
    receipts = tmp_path / "receipts.jsonl"
    with FakeIntake(desk.servers, desk.bin):
        written = desk.write("--signing-key", desk.key, "--json")
        first = desk.receive("--receipts-to", receipts, "--receipt-root", tmp_path / "authority.pem", "--json")
        again = desk.receive("--json")
        person = desk.receive()
    assert (written.exit_code, json.loads(written.stdout)["outcome"]) == (0, "WRITTEN_TO_FILE")
    assert (first.exit_code, json.loads(first.stdout)["accepted"]) == (0, 3), first.output
    assert json.loads(again.stdout) | {"file": "", "receipts": 0} == {
        "file": "", "organizer_bin": desk.bin, "messages": 3, "has_all_receipts": True, "accepted": 0, "duplicate": 3,
        "held": 0, "receipts": 0, "rejected": 0, "rejects": [],
    }  # fmt: skip
    assert person.exit_code == 0
    for line in receipts.read_text().splitlines():
        content = open_receipt(base64.b64decode(json.loads(line)["value"]), ROOT_CERTIFICATE)
        assert content.organizer_bin == desk.bin
    assert desk.receive("--receipts-to", receipts).exit_code != 0, "receipts are not written over"


@pytest.mark.kafka
def test_spoilt_or_foreign_file_sends_nothing(broker: Broker, tmp_path: Path) -> None:
    desk = Desk(tmp_path, new_bin(), broker.bootstrap_servers)
    make_topics(desk.servers, desk.bin)
    assert desk.write("--signing-key", desk.key).exit_code == 0
    whole = desk.out.read_bytes()
    make_signing_key(tmp_path / "foreign.key")
    refused = [desk.receive(key=tmp_path / "foreign.key"), desk.receive(organizer_bin=ORGANIZER)]
    for content in (whole[:-1], whole[: len(whole) // 2], whole.replace(b"t-1", b"t-7"), b""):
        desk.out.write_bytes(content)
        refused.append(desk.receive())
    desk.out.unlink()
    refused.append(desk.receive())
    assert [type(result.exception) for result in refused] == [FileUnusable] * 7
    desk.out.write_bytes(whole)
    assert desk.receive("--no-wait").exit_code == 0
    assert len(read_events(desk.servers, desk.bin, 3)) == 3, "and what is sent last is the first on the topic"


@pytest.mark.kafka
def test_file_is_taken_in_as_its_organizer_and_as_nobody_else(secured: Secured, tmp_path: Path) -> None:
    """Clause O9-4.2: with the credentials of another organizer the broker lets nothing onto the topic."""
    desk = Desk(tmp_path, OURS, secured.servers)
    assert desk.write("--signing-key", desk.key).exit_code == 0
    for bin_ in (OURS, OTHER):
        ca_pem = secured.files.ca_file.read_text()
        write_bundle(tmp_path / bin_, bin_, secured.passwords[bin_], ca_pem, secured.servers)
    foreign = desk.receive("--no-wait", "--access", tmp_path / OTHER)
    assert isinstance(foreign.exception, SettingInvalid)
    own = desk.receive("--no-wait", "--access", tmp_path / OURS, "--json")
    assert (own.exit_code, json.loads(own.stdout)["messages"]) == (0, 3)


def test_key_that_is_none_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert isinstance(desk.write().exception, UsageError)
    assert isinstance(desk.write("--signing-key", desk.key.with_suffix(".pub")).exception, FileUnusable)
    assert isinstance(desk.write("--signing-key", tmp_path / "nosuch").exception, FileUnusable)
    assert not desk.out.exists()
    assert desk.write("--signing-key", desk.key).exit_code == 0
    assert isinstance(desk.receive(key=desk.file).exception, FileUnusable | SettingInvalid)


def _public_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization

    return ROOT_CERTIFICATE.public_bytes(serialization.Encoding.PEM)
