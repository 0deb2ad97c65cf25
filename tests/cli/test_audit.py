"""The log is proved whole, its head is kept, and the supervisor sees what is to be justified (J127-16, J127-19)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esep.hash_chain import Chain
from tests.support.command import command


@pytest.fixture
def log(tmp_path: Path) -> Path:
    chain = Chain(tmp_path / "audit.jsonl", tmp_path / "audit.head")
    who = {"user": "a.serikova", "role": "compliance", "text": "SELECT 900101300007"}
    for basis, code in (("7-114/26: AML law", 0), ("", 497), ("7-115/26: AML law", 0)):
        asked = chain.append({"at": "2026-11-27T11:00:00.000+05:00", "kind": "ASKED", "basis": basis, **who})
        end = {"kind": "ANSWERED", "asked": asked.number, "rows": 2, "ms": 1.0, "code": code}
        chain.append({"at": "2026-11-27T11:00:01.000+05:00", **end})
    chain.close()
    return tmp_path


def test_log_that_is_whole_is_told_so_and_a_cut_one_is_not(log: Path) -> None:
    heads = log / "kept" / "heads.txt"
    heads.parent.mkdir()
    assert command("audit", "anchor", "--to", heads, "--log", log).exit_code == 0
    whole = command("audit", "verify", "--head", heads, "--log", log)
    assert (whole.exit_code, "6 lines, 2 heads: whole" in whole.output) == (0, True)
    rows = (log / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (log / "audit.jsonl").write_bytes(b"".join(rows[:-1]))
    (log / "audit.head").unlink()  # Who can cut the log can do this too.
    cut = command("audit", "verify", "--head", heads, "--log", log, "--json")
    assert cut.exit_code == 1
    assert [fault["what"] for fault in json.loads(cut.output)["faults"]] == [
        "ends after line 5, and line 6 has been there"
    ]
    assert "900101300007" not in cut.output


def test_report_tells_what_is_to_be_justified_and_quotes_no_statement(log: Path) -> None:
    (log / "cases.txt").write_text("7-114/26\n")
    answer = command("audit", "report", "--cases", log / "cases.txt", "--log", log, "--json")
    told = json.loads(answer.stdout)
    assert [one["faults"] for one in told["unjustified"]] == [["NO_BASIS"], ["CASE_UNKNOWN"]]
    assert told["users"][0]["lookups"] == 3
    shown = command("audit", "report", "--from", "2026-11-27", "--to", "2026-11-27", "--log", log).output
    assert "1 of 3 look-ups are to be justified" in shown
    assert "900101300007" not in shown + answer.output


@pytest.mark.parametrize("words", [["--from", "x"], ["--cases", "nosuch"]])
def test_report_that_makes_no_sense_is_refused(log: Path, words: list[str]) -> None:
    assert command("audit", "report", *words, "--log", log).exit_code != 0
