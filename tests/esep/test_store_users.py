"""Access follows an application that was granted, and ends with a block (clauses J127-3..6, J127-9)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esep.errors import UsageError
from esep.hash_chain import faults, lines
from esep.store_users import Application, StoreUsers

NOW = datetime(2026, 11, 27, 6, tzinfo=UTC)
ASKED = Application("a.serikova", "analyst", "A. Serikova, analyst", "AFM, 4th", "statistics", "26-117")
DECIDED = {"by": "d.omarov", "reason": "order 12", "at": NOW}


def test_user_has_a_password_once_an_application_is_granted(tmp_path: Path) -> None:
    users = StoreUsers(tmp_path)
    account = users.apply(ASKED, NOW)
    assert (account.state, account.due_at, account.agreement) == ("APPLIED", "2026-11-28T11:00:00+05:00", "26-117")
    assert set(json.loads(users.users_file.read_text())) == {"default"}
    account, password = users.decide("a.serikova", granted=True, **DECIDED)
    assert (account.state, account.decided_by, account.decision) == ("GRANTED", "d.omarov", "order 12")
    written = json.loads(users.users_file.read_text())["a.serikova"]
    digest = hashlib.sha256(password.encode()).hexdigest()
    assert written == {"password_sha256": digest, "loopback_only": False, "role": "analyst", "blocked": False}
    assert password not in users.journal.read_text()


def test_refusal_has_a_reason_and_gives_nothing(tmp_path: Path) -> None:
    users = StoreUsers(tmp_path)
    users.apply(ASKED, NOW)
    account, password = users.decide("a.serikova", granted=False, by="d.omarov", reason="no agreement", at=NOW)
    assert (account.state, account.decision, password) == ("REFUSED", "no agreement", "")
    assert set(json.loads(users.users_file.read_text())) == {"default"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["apply", "grant", "refuse", "block"]), max_size=12))
def test_whoever_can_log_in_was_granted_last(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """Against a model of three lines: what counts is the last granted or blocking step."""
    users = StoreUsers(tmp_path_factory.mktemp("users"))
    users.write_users()
    state, may = "", False
    for number, step in enumerate(steps):
        at = NOW + timedelta(minutes=number)
        try:
            if step == "apply":
                users.apply(ASKED, at)
            elif step == "block":
                users.block("a.serikova", by="d.omarov", reason="left", at=at)
            else:
                users.decide("a.serikova", granted=step == "grant", by="d.omarov", reason="order", at=at)
        except UsageError:
            assert (step == "apply" and state in {"apply", "grant"}) or (step != "apply" and state != "apply")
            continue
        state = step
        may = step == "grant"
        entry = json.loads(users.users_file.read_text()).get("a.serikova")
        assert (entry is not None and not entry["blocked"]) == may
    if users.journal.exists():
        assert faults(users.journal) == []


@pytest.mark.parametrize(
    "asked",
    [
        ASKED._replace(role="king"),
        ASKED._replace(user="default"),
        ASKED._replace(user="analyst"),
        ASKED._replace(user="A b"),
        ASKED._replace(agreement=" "),
        ASKED._replace(reason=""),
    ],
)
def test_application_that_says_too_little_is_refused(tmp_path: Path, asked: Application) -> None:
    with pytest.raises(UsageError):
        StoreUsers(tmp_path).apply(asked, NOW)


def test_number_of_a_person_does_not_enter_the_journal(tmp_path: Path) -> None:
    users = StoreUsers(tmp_path)
    users.apply(ASKED._replace(person="A. Serikova 900101300007"), NOW)
    assert next(iter(lines(users.journal)))["person"] == "A. Serikova ************"


def test_line_s_own_user_stays_as_it_stands_in_the_file(tmp_path: Path) -> None:
    users = StoreUsers(tmp_path)
    users.users_file.write_text(json.dumps({"default": {"password_sha256": "0" * 64}}))
    users.apply(ASKED, NOW)
    assert json.loads(users.users_file.read_text())["default"] == {"password_sha256": "0" * 64}
