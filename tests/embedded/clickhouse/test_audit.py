"""The audit log by itself: kinds of lines, long texts, a disk that takes nothing (J127-16)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from esep.embedded.clickhouse.answers import QueryError, Summary, refusal
from esep.embedded.clickhouse.audit import FILE, TEXT_BYTES_MAX, Audit
from esep.embedded.clickhouse.request import Request
from esep.embedded.clickhouse.users import User
from esep.hash_chain import faults, lines, read_heads

REQUEST = Request(
    user=User(name="a.serikova", role="compliance"),
    query=b"",
    query_id="q-1",
    database="esep",
    default_format="CSV",
    settings={"log_comment": "7-114/26: AML law"},
    parameters={"iin": "900101300007"},
    session_id="",
    session_timeout_s=60.0,
    session_must_exist=False,
    must_not_write=False,
    wait_for_end=False,
    content_encoding="",
    peer="10.0.0.7",
)


def test_line_has_who_what_why_and_what_became_of_it(tmp_path: Path) -> None:
    audit = Audit(tmp_path)
    number = audit.asked(REQUEST, b"SELECT {iin:String}")
    audit.answered(number, Summary(result_rows=3, read_rows=9), None, 1.26)
    audit.done(replace(REQUEST, user=User(name="default")), b"INSERT INTO ledger", Summary(written_rows=5), None, 2.0)
    audit.refused("nobody", "10.0.0.8", refusal(516, "AUTHENTICATION_FAILED", "no"))
    asked, answered, done, refused = lines(tmp_path / FILE)
    assert asked["basis"] == "7-114/26: AML law"
    assert asked["parameters"] == {"iin": "900101300007"}
    assert (answered["asked"], answered["rows"], answered["read_rows"], answered["ms"]) == (1, 3, 9, 1.3)
    assert (done["kind"], done["user"], done["written_rows"]) == ("DONE", "default", 5)
    assert (refused["kind"], refused["user"], refused["peer"], refused["code"]) == (
        "REFUSED",
        "nobody",
        "10.0.0.8",
        516,
    )
    assert faults(tmp_path / FILE, read_heads(tmp_path / "audit.head")) == []


def test_long_text_stands_there_with_its_digest(tmp_path: Path) -> None:
    text = b"SELECT '" + b"a" * TEXT_BYTES_MAX + b"'"
    Audit(tmp_path).asked(REQUEST, text)
    (line,) = lines(tmp_path / FILE)
    assert line["text"] == text[:TEXT_BYTES_MAX].decode()
    assert (line["text_bytes"], line["text_sha256"]) == (len(text), hashlib.sha256(text).hexdigest())


def test_nothing_is_asked_where_the_log_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = Audit(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(QueryError, match="NOT_ENOUGH_SPACE"):
        audit.asked(REQUEST, b"SELECT 1")
