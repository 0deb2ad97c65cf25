"""The register in ClickHouse: steps are added, decisions are another officer's, two at once are told the same one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from esep.errors import UsageError
from esep.sinks.clickhouse.extracts import register
from esep.sinks.clickhouse.extracts.requests import Asked, Deed, Step
from tests.sinks.line import IINS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.clickhouse
NOW = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)
ASKED = Asked(
    "Сот", "ҚПК 122", "7/114", IINS[0], "", date(2026, 10, 1), date(2026, 10, 31), datetime(2026, 11, 27, tzinfo=UTC)
)
LATER = NOW + timedelta(minutes=1)


def test_request_is_read_as_it_was_written(client: Client) -> None:
    """O114-C: who, why, when; the store says as whom it was written."""
    entered = register.request(client, ASKED, "a.serikova", NOW)
    found = register.standing_of(client, entered.request_id)
    assert found == entered
    assert found.asked == ASKED
    assert NOW - timedelta(milliseconds=1) < found.entered.noted_at <= NOW
    assert found.entered.store_user
    (shown,) = client.query(
        "SELECT * FROM extract_register WHERE request_id = {name:String}", parameters={"name": entered.request_id}
    ).named_results()
    assert IINS[0] not in str(shown)
    assert shown["is_about_person"]


def test_who_entered_a_request_may_refuse_and_not_approve_it(client: Client) -> None:
    name = register.request(client, ASKED, "a.serikova", NOW).request_id
    with pytest.raises(UsageError, match="may not approve"):
        register.decide(client, name, Deed.APPROVED, " A.Serikova", "mine", LATER)
    with pytest.raises(UsageError, match="needs: reason"):
        register.decide(client, name, Deed.APPROVED, "b.omarov", " ", LATER)
    assert register.standing_of(client, name).state == "REQUESTED"
    assert register.decide(client, name, Deed.REFUSED, "a.serikova", "a mistake", LATER).state == "REFUSED"
    with pytest.raises(UsageError, match="decided already: REFUSED"):
        register.decide(client, name, Deed.APPROVED, "b.omarov", "good", LATER)


def test_of_two_decisions_at_once_the_first_stands_and_the_other_officer_is_told(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = register.request(client, ASKED, "a.serikova", NOW).request_id
    add = register.add

    def beaten(one: Client, step: Step) -> None:
        add(one, Step(name, Deed.REFUSED, LATER - timedelta(seconds=1), "c.akhmetova", "no basis"))
        add(one, step)

    monkeypatch.setattr(register, "add", beaten)
    with pytest.raises(UsageError, match="decided already: REFUSED"):
        register.decide(client, name, Deed.APPROVED, "b.omarov", "good", LATER)


def test_decision_by_a_clock_that_lags_counts(client: Client) -> None:
    name = register.request(client, ASKED, "a.serikova", NOW).request_id
    early = NOW - timedelta(hours=1)
    assert register.decide(client, name, Deed.APPROVED, "b.omarov", "good", early).state == "APPROVED"


def test_name_that_is_none_is_refused(client: Client) -> None:
    with pytest.raises(UsageError, match="no request of this name"):
        register.standing_of(client, "extract-0000000000")
