"""Who is let in is the broker's to say; what is open for one organizer is nobody else's (clause O9-4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esep.gateway import sessions as module
from esep.gateway.problems import Problem
from esep.gateway.receipt_log import ReceiptLog
from esep.gateway.sessions import SESSION_S, Session, Sessions
from tests.producers.bets import new_bin
from tests.producers.fake_intake import make_topics
from tests.support.secured import OTHER, OURS, SPARE, Secured

if TYPE_CHECKING:
    from tests.support.brokers import Broker

pytestmark = pytest.mark.kafka
NOWHERE = "127.0.0.1:1"


class Clock:
    """Moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(sessions: Sessions, user: str, password: str) -> str:
    with pytest.raises(Problem) as raised:
        sessions.open(user, password)
    return raised.value.code


def opened(secured: Secured, clock: Clock | None = None) -> Sessions:
    return Sessions(secured.servers, secured.files.ca_file.read_text(), clock=clock or Clock())


def test_right_password_opens_one_session_that_acts_as_the_organizer(secured: Secured) -> None:
    sessions = opened(secured)
    session = sessions.open(OURS, secured.passwords[OURS])
    assert sessions.open(OURS, secured.passwords[OURS]) is session
    assert session.delivery.deliver([(b"desk-7", b"by the gateway")])
    by_hand = ReceiptLog(OURS, secured.servers, secured.acting_as(OURS))  # Other tests may have left something there.
    assert session.receipts.read(0, 0) == by_hand.read(0, 0)
    by_hand.close()
    sessions.close()


def test_wrong_or_foreign_password_gets_nothing_and_ends_nothing(secured: Secured) -> None:
    sessions = opened(secured)
    session = sessions.open(OURS, secured.passwords[OURS])
    for user, password in [(OURS, ""), (OURS, "x"), (OURS, secured.passwords[OTHER]), (OTHER, secured.passwords[OURS])]:
        assert refused(sessions, user, password) == "CREDENTIALS_REFUSED"
    assert sessions.open(OURS, secured.passwords[OURS]) is session
    sessions.close()


@pytest.mark.parametrize("user", ["intake-0", "admin", "", "940140000386", "9401400003850", "organizer"])
def test_principal_that_is_no_organizer_is_not_let_in(secured: Secured, user: str) -> None:
    password = secured.files.password(user) if user in {"intake-0", "admin"} else "x"
    assert refused(opened(secured), user, password) == "CREDENTIALS_REFUSED"
    assert refused(opened(secured), OURS, "x" * 5000) == "CREDENTIALS_REFUSED"


def test_password_that_was_replaced_is_good_until_the_broker_is_asked_again(secured: Secured) -> None:
    clock = Clock()
    sessions = opened(secured, clock)
    old = secured.authority.issue(SPARE)
    first = sessions.open(SPARE, old)
    secured.passwords[SPARE] = secured.authority.issue(SPARE)
    assert sessions.open(SPARE, old) is first
    second = sessions.open(SPARE, secured.passwords[SPARE])
    assert second is not first
    clock.now = SESSION_S
    assert refused(sessions, SPARE, old) == "CREDENTIALS_REFUSED"
    assert sessions.open(SPARE, secured.passwords[SPARE]) is second, "let in anew, with what is open"
    secured.passwords[SPARE] = secured.authority.issue(SPARE)
    clock.now = 2 * SESSION_S
    assert refused(sessions, SPARE, old) == "CREDENTIALS_REFUSED"
    sessions.close()


def test_session_that_was_dropped_is_made_anew(broker: Broker) -> None:
    sessions, organizer_bin = Sessions(broker.bootstrap_servers, None), new_bin()
    make_topics(broker.bootstrap_servers, organizer_bin)
    first = sessions.open(organizer_bin, "")
    sessions.drop(first)
    second = sessions.open(organizer_bin, "")
    assert second is not first
    sessions.drop(first)
    assert sessions.open(organizer_bin, "any, for a plain line asks for none") is second
    sessions.close()


def test_organizer_without_a_topic_is_not_let_in_on_a_plain_line(broker: Broker) -> None:
    assert refused(Sessions(broker.bootstrap_servers, None), new_bin(), "") == "ACCESS_REFUSED"


def test_broker_that_is_away_is_not_a_wrong_password(secured: Secured) -> None:
    ca_pem = secured.files.ca_file.read_text()
    assert refused(Sessions(NOWHERE, ca_pem), OURS, "x") == "BROKER_UNAVAILABLE"
    assert refused(Sessions(NOWHERE, None, login_s=0.3), OURS, "x") == "BROKER_UNAVAILABLE"


def test_longest_unused_session_gives_way(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_MAX", 2)
    sessions, bins = Sessions(broker.bootstrap_servers, None), [new_bin() for _ in range(3)]
    for organizer_bin in bins:
        make_topics(broker.bootstrap_servers, organizer_bin)
    made: list[Session] = [sessions.open(organizer_bin, "") for organizer_bin in bins[:2]]
    assert sessions.open(bins[0], "") is made[0]
    made.append(sessions.open(bins[2], ""))
    assert sessions.open(bins[0], "") is made[0]
    assert sessions.open(bins[1], "") is not made[1]
    sessions.close()
