"""`esep receipts` as an organizer, the authority and a court call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner, Result

from esep.cli.receipts import receipts as command
from esep.cli.spool import spool as spool_command
from esep.errors import FileUnusable, UsageError
from esep.keys import make_signing_key
from esep.producers.receipt_file import write_receipts
from tests.producers.spooling import ORGANIZER
from tests.support.receipt_signing import ROOT_CERTIFICATE
from tests.support.told_receipts import DESK, FAR_DESK, Organizer


class Desk:
    """An organizer with a spool, its receipts in a file, the authority's root, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.organizer = folder, Organizer(folder)
        self.root, self.receipts, self.key = folder / "root.crt", folder / "receipts.jsonl", folder / "medium.key"
        self.root.write_bytes(ROOT_CERTIFICATE.public_bytes(Encoding.PEM))
        make_signing_key(self.key)
        self.organizer.report(DESK, 6)
        self.organizer.report(FAR_DESK, 2)
        sent = self.organizer.messages()
        for part in (sent[:2], sent[2:]):
            self.organizer.deliver(part)
        write_receipts(self.receipts, self.organizer.receipts())

    def verify(self, *arguments: object) -> Result:
        return self.call("verify", self.receipts, "--organizer", ORGANIZER, "--receipt-root", self.root, *arguments)

    def prove(self, entry: str) -> Path:
        to = self.folder / "proof.json"
        to.unlink(missing_ok=True)
        made = self.call("prove", entry, "--receipts", self.receipts, "--copy", self.organizer.path, "--to", to)
        assert made.exit_code == 0, made.exception
        return to

    def sign_day(self, day: str, to: Path) -> Result:
        arguments = ["sign-day", self.organizer.path, "--day", day, "--key", self.key, "--to", to]
        return CliRunner().invoke(spool_command, [str(argument) for argument in arguments])

    def call(self, *arguments: object) -> Result:
        environment = {"COLUMNS": "200", "TERM": "dumb"}
        return CliRunner().invoke(command, [str(argument) for argument in arguments], env=environment)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.organizer.close()


def document(answer: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@pytest.mark.parametrize("name", ["export", "verify", "prove"])
def test_help_of_every_subcommand_shows_an_example(desk: Desk, name: str) -> None:
    answer = desk.call(name, "--help")
    assert answer.exit_code == 0
    assert f"Example: esep receipts {name}" in " ".join(answer.output.split())


def test_receipts_are_verified_offline_beside_the_copy(desk: Desk) -> None:
    """O9-5.3: the organizer holds the authority to what it said."""
    answer = desk.verify("--copy", desk.organizer.path, "--json")
    assert answer.exit_code == 0, answer.exception
    told = document(answer)
    assert (told["receipts"], told["accepted_count"], told["roots_compared"], told["doubts"]) == (3, 8, 3, [])
    assert "3 roots are those of the copy" in desk.verify("--copy", desk.organizer.path).stdout
    assert desk.verify().exit_code == 0


def test_one_that_was_left_out_is_told_with_exit_code_1(desk: Desk) -> None:
    desk.organizer.report(DESK, 1)
    desk.organizer.deliver(desk.organizer.messages()[-1:])
    first, _, *rest = desk.organizer.receipts()
    desk.receipts.unlink()
    write_receipts(desk.receipts, [first, *rest])
    answer = desk.verify("--json")
    assert answer.exit_code == 1
    assert {doubt["kind"] for doubt in document(answer)["doubts"]} == {"HOLE"}
    assert "HOLE" in desk.verify().stdout


@pytest.mark.parametrize("entry", [f"{ORGANIZER}/{DESK}/5", f"{ORGANIZER}/{DESK}"])
def test_proof_is_verified_with_the_root_alone(desk: Desk, entry: str) -> None:
    proof = desk.prove(entry)
    answer = desk.call("verify", "--proof", proof, "--receipt-root", desk.root, "--json")
    assert (answer.exit_code, document(answer)["holds"]) == (0, True)
    assert desk.call("verify", "--proof", proof, "--receipt-root", desk.root).stdout.strip()
    text = proof.read_text()
    place = text.index('"signature": "') + len('"signature": "')
    proof.write_text(text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :])
    broken = desk.call("verify", "--proof", proof, "--receipt-root", desk.root, "--json")
    assert (broken.exit_code, document(broken)["holds"]) == (1, False)
    assert desk.call("verify", "--proof", proof, "--receipt-root", desk.root).exit_code == 1


def test_day_that_the_organizer_signed_is_compared(desk: Desk, tmp_path: Path) -> None:
    statement = tmp_path / "2026-11-20.esep-day"
    assert desk.sign_day("2026-11-20", statement).exit_code == 0
    day = ("--daily", statement, "--organizer-key", desk.key.with_suffix(".pub"))
    answer = desk.verify(*day, "--json")
    assert (answer.exit_code, document(answer)["days_met"]) == (0, 2)
    assert "2 roots of days were compared" in desk.verify(*day).stdout
    desk.organizer.report(DESK, 1)
    statement.unlink()
    desk.sign_day("2026-11-20", statement)
    late = desk.verify(*day, "--json")
    assert late.exit_code == 1
    assert [doubt["kind"] for doubt in document(late)["doubts"]] == ["NOT_RECEIVED"]


def test_day_that_is_none_or_not_over_is_refused(desk: Desk, tmp_path: Path) -> None:
    for day in ("20.11.2026", "2999-01-01"):
        assert isinstance(desk.sign_day(day, tmp_path / "day").exception, UsageError)


def test_what_cannot_be_asked_is_refused(desk: Desk, tmp_path: Path) -> None:
    proof, root = desk.prove(f"{ORGANIZER}/{DESK}/5"), ("--receipt-root", desk.root)
    (tmp_path / "large").write_bytes(b" " * (16 * 1024 * 1024 + 1))
    for arguments, error in [
        (("verify", desk.receipts, *root), UsageError),
        (("verify", desk.receipts, "--proof", proof, *root), UsageError),
        (("verify", desk.receipts, "--organizer", ORGANIZER, "--daily", proof, *root), UsageError),
        (("verify", "--proof", tmp_path / "missing", *root), FileUnusable),
        (("verify", "--proof", tmp_path / "large", *root), FileUnusable),
        (("verify", "--proof", desk.receipts, *root), FileUnusable),
        (("export", desk.receipts, "--organizer", "900101300007"), UsageError),
    ]:
        answer = desk.call(*arguments)
        assert isinstance(answer.exception, error), arguments
        assert "900101300007" not in str(answer.exception)
