"""Every forbidden thing is refused to every role, and stands in the audit log (clauses O9-5.1, J127-5, J127-16)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from esep.hash_chain import faults
from esep.store_roles import ROLES
from tests.roles.forbidden import FORBIDDEN, GUARDED
from tests.roles.matrix import ALLOWED, matrix
from tests.support.role_books import NOW

if TYPE_CHECKING:
    from tests.support.role_books import RoleBooks


def test_nothing_forbidden_is_let_through_and_all_of_it_is_logged(roles: RoleBooks) -> None:
    """An analyst tries every statement, the others the first of each thing; `make roles` has all of them try all."""
    cells = matrix(roles, whole=("analyst",))
    assert len(cells) == len(FORBIDDEN) * len(GUARDED)
    assert [cell for cell in cells if cell.through] == []
    assert [cell for cell in cells if cell.tried != cell.logged] == []
    assert sum(cell.outcome == ALLOWED for cell in cells) < len(cells) / 4
    assert faults(roles.server.audit_dir / "audit.jsonl") == []


def test_what_is_refused_to_a_role_is_no_nonsense_but_works_for_the_line(roles: RoleBooks) -> None:
    """Else the matrix would show nothing: of each thing that only reads, the first statement is one that runs."""
    reads = {"tables with persons", "who is behind a pseudonym", "views with persons", "system tables", "settings"}
    reads |= {"information_schema", "another database", "EXPLAIN", "DESCRIBE and SHOW", "the IIN in holds"}
    for thing in FORBIDDEN:
        if thing.name in reads:
            answer = roles.ask("default", thing.statements[0], **dict(thing.fields))
            assert answer.status == 200, f"{thing.name}: {answer.text}"


@pytest.mark.parametrize("role", [role for role in GUARDED if ROLES[role].limits])
def test_limits_of_a_role_are_in_force_whatever_the_request_says(roles: RoleBooks, role: str) -> None:
    """Time, memory, rows: a statement that sleeps or asks for all there is ends by them."""
    limits = ROLES[role].limits
    asked = ", ".join(f"toInt64(toFloat64(getSetting('{name}')))" for name in limits)
    fields = {name: "0" for name in limits if name.startswith("max_")}
    (found,) = roles.rows(role, f"SELECT {asked}", **fields)
    assert [int(value) for value in found] == list(limits.values())


def test_limits_cannot_be_raised_by_the_request(roles: RoleBooks) -> None:
    answer = roles.ask("analyst", "SELECT number FROM numbers(1000001)", max_result_rows="0", max_execution_time="0")
    assert "TOO_MANY_ROWS_OR_BYTES" in answer.text


def test_one_user_cannot_take_every_place(roles: RoleBooks) -> None:
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: roles.ask("auditor", "SELECT sleep(1)"), range(6)))
    refused = [answer for answer in answers if answer.status != 200]
    assert 1 <= len(refused) <= 2
    assert all("statements of this user run already" in answer.text for answer in refused)


def test_functions_of_the_engine_are_those_that_somebody_has_looked_at(roles: RoleBooks) -> None:
    """After an upgrade: which new ones read files, call out, or show what others do? Then put the new digest here."""
    names = (
        "SELECT name FROM system.functions WHERE origin = 'System' UNION ALL SELECT name FROM system.table_functions"
    )
    digest = roles.ask("default", f"SELECT hex(groupBitXor(sipHash64(name))) FROM ({names})").text.strip()
    assert digest == "51620DD55D490A87"


def test_error_quotes_no_value_of_a_row(roles: RoleBooks) -> None:
    """What a client logs of an error is then no data; the officer who may see persons gets no IIN this way either."""
    for statement in ("SELECT toUInt8(iin || 'x') FROM esep.ledger", "SELECT toDate(iin) FROM esep.ledger"):
        answer = roles.ask("compliance", statement)
        assert answer.status != 200
        assert not any(row["iin"] in answer.text for row in roles.booked)
    assert "fails on a value" in roles.ask("analyst", "SELECT toUInt8(person) FROM person_daily").text


def test_queries_of_others_cannot_be_ended_or_seen(roles: RoleBooks) -> None:
    other = roles.client("compliance")
    assert other.query("SELECT count() FROM ledger").result_rows == [(len(roles.booked),)]
    for sql in ("SELECT query FROM system.processes", "KILL QUERY WHERE user = 'default'", "SHOW PROCESSLIST"):
        assert roles.ask("analyst", sql).status == 403


def test_blocked_user_is_refused_at_once_and_what_runs_is_ended(roles: RoleBooks) -> None:
    """Clause J127-3..6: a block counts at once."""
    roles.passwords["leaver"] = roles.add("leaver", "analyst")
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(
            *(roles.ask, "leaver", "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"),
            password=roles.passwords["leaver"],
            database="esep_analysts",
        )
        deadline = time.monotonic() + 20
        while not any(line.get("user") == "leaver" for line in roles.audited()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        roles.users.block("leaver", by="d.omarov", reason="left", at=NOW)
        assert "QUERY_WAS_CANCELLED" in long.result(timeout=20).text
    assert roles.ask("leaver", "SELECT 1", password=roles.passwords["leaver"]).status == 403
    assert roles.audited()[-1]["kind"] == "REFUSED"


def test_line_s_own_user_does_what_it_did(roles: RoleBooks) -> None:
    """No role, no basis, no look at its statements: the line goes on as without roles."""
    answer = roles.ask("default", "SELECT count() FROM esep.ledger; ", log_comment="")
    assert answer.text == f"{len(roles.booked)}\n"
    assert roles.ask("default", "SELECT count() > 0 FROM system.tables SETTINGS max_threads = 1").text == "1\n"
    assert roles.audited()[-1]["kind"] == "DONE"


def test_line_of_the_log_says_who_asked_what_on_which_basis(roles: RoleBooks) -> None:
    """Clauses J127-7, J127-16, J127-17: user, basis, text, rows, duration, in the capital's time."""
    roles.ask("compliance", "SELECT iin FROM esep.ledger LIMIT 3", log_comment="7-114/26: AML law, Art. 4")
    asked, answered = roles.audited()[-2:]
    assert (asked["user"], asked["role"], asked["basis"]) == (
        "compliance.one",
        "compliance",
        "7-114/26: AML law, Art. 4",
    )
    assert asked["text"].strip() == "SELECT iin FROM esep.ledger LIMIT 3"
    assert (answered["asked"], answered["rows"], answered["code"]) == (asked["n"], 3, 0)
    assert answered["ms"] > 0
    assert asked["at"].endswith("+05:00")


def test_statement_in_the_body_is_logged_with_its_text_however_early_it_is_refused(roles: RoleBooks) -> None:
    for statement in ("INSERT INTO ledger FROM INFILE '/etc/passwd' FORMAT CSV", "DROP TABLE esep.ledger", "SELEC 1"):
        answer = roles.ask("analyst", "", body=statement.encode())
        assert answer.status != 200
        assert roles.audited()[-2]["text"].strip() == statement


def test_person_is_not_looked_up_without_a_basis(roles: RoleBooks) -> None:
    """Clause J127-7."""
    for basis in ("", "because", "7-114/26", ": law"):
        answer = roles.ask("compliance", "SELECT count() FROM ledger", log_comment=basis)
        assert "state case and legal basis" in answer.text
    assert roles.ask("compliance", "SELECT version()", log_comment="").status == 200


def test_text_of_a_query_is_in_the_audit_log_alone(roles: RoleBooks) -> None:
    """The server's ordinary log says nothing of what was asked; the audit log is its owner's alone."""
    number = roles.booked[0]["iin"]
    assert roles.ask("compliance", f"SELECT count() FROM ledger WHERE iin = '{number}'").status == 200
    assert number in roles.audited()[-2]["text"]
    assert number not in (roles.server.data_dir / "server.log").read_text(encoding="utf-8", errors="replace")
    log = roles.server.audit_dir / "audit.jsonl"
    assert (log.stat().st_mode & 0o077, log.parent.stat().st_mode & 0o077) == (0, 0)
