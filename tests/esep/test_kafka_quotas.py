"""Quotas as bytes and at a real broker: what is set is what is told, and what is taken away is gone."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep import kafka_quotas
from esep.errors import SettingInvalid
from esep.kafka_quotas import QuotaChange, alter_user_quotas, alteration, read_quotas, refuse_errors, user_quotas
from esep.kafka_wire import text
from esep.topics import ADMIN
from tests.support.secured import OURS, Secured

GRAFANA = "grafana"


def described(entries: list[tuple[str, dict[str, float]]]) -> bytes:
    """An answer to DescribeClientQuotas, version 0."""
    body = struct.pack(">ihhi", 0, 0, -1, len(entries))
    for user, values in entries:
        body += struct.pack(">i", 1) + text("user") + text(user) + struct.pack(">i", len(values))
        for key, value in values.items():
            body += text(key) + struct.pack(">d", value)
    return body


quotas = st.dictionaries(
    st.tuples(st.text(min_size=1, max_size=9), st.sampled_from(["producer_byte_rate", "request_percentage"])),
    st.floats(1, 1e12),
)


@given(quotas)
def test_quotas_told_are_read(expected: dict[tuple[str, str], float]) -> None:
    by_user: dict[str, dict[str, float]] = {"": {"producer_byte_rate": 1.0}}  # The default of all users.
    for (user, key), value in expected.items():
        by_user.setdefault(user, {})[key] = value
    assert read_quotas(described(list(by_user.items()))) == expected


def test_refusal_is_an_error_with_the_brokers_reason() -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_quotas(struct.pack(">ih", 0, 31) + text("Cluster authorization failed.") + struct.pack(">i", -1))
    assert "31 Cluster authorization failed." in caught.value.detail
    entry = struct.pack(">h", -1) + struct.pack(">i", 1) + text("user") + text(OURS)
    with pytest.raises(SettingInvalid, match="refused"):
        refuse_errors(struct.pack(">ii", 0, 2) + struct.pack(">h", 0) + entry + struct.pack(">h", 42) + entry)
    refuse_errors(struct.pack(">ii", 0, 1) + struct.pack(">h", 0) + entry)


def test_changes_of_one_user_make_one_entry() -> None:
    changes = [QuotaChange(user, key, 1.0) for user in (OURS, GRAFANA) for key in ("a", "b")]
    assert struct.unpack_from(">i", alteration(changes)) == (2,)


@pytest.mark.kafka
def test_quota_is_set_and_taken_away_at_the_broker(secured: Secured) -> None:
    security = secured.acting_as(ADMIN)
    before = user_quotas(secured.servers, security)
    alter_user_quotas(secured.servers, security, [QuotaChange(GRAFANA, "producer_byte_rate", 2048.0)])
    assert user_quotas(secured.servers, security) == before | {(GRAFANA, "producer_byte_rate"): 2048.0}
    alter_user_quotas(secured.servers, security, [QuotaChange(GRAFANA, "producer_byte_rate", None)])
    assert user_quotas(secured.servers, security) == before


@pytest.mark.kafka
def test_change_returns_once_the_broker_tells_it(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    security = secured.acting_as(ADMIN)
    late = [user_quotas(secured.servers, security)] * 3  # As a broker tells while it has not heard of the change.
    monkeypatch.setattr(kafka_quotas, "user_quotas", lambda *asked: late.pop() if late else user_quotas(*asked))
    for value in (2048.0, None):
        alter_user_quotas(secured.servers, security, [QuotaChange(GRAFANA, "producer_byte_rate", value)])
        assert not late
        assert user_quotas(secured.servers, security).get((GRAFANA, "producer_byte_rate")) == value


@pytest.mark.kafka
def test_change_that_no_broker_takes_up_is_an_error(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    security = secured.acting_as(ADMIN)
    before = user_quotas(secured.servers, security)
    monkeypatch.setattr(kafka_quotas, "user_quotas", lambda *_: before)
    monkeypatch.setattr(kafka_quotas, "ANSWER_S_MAX", 0.2)
    try:
        with pytest.raises(SettingInvalid, match="does not take up"):
            alter_user_quotas(secured.servers, security, [QuotaChange(GRAFANA, "producer_byte_rate", 2048.0)])
    finally:
        monkeypatch.undo()
        alter_user_quotas(secured.servers, security, [QuotaChange(GRAFANA, "producer_byte_rate", None)])


@pytest.mark.kafka
def test_organizer_neither_sees_nor_sets_quotas(secured: Secured) -> None:
    with pytest.raises(SettingInvalid):
        user_quotas(secured.servers, secured.acting_as(OURS))
    with pytest.raises(SettingInvalid):
        alter_user_quotas(secured.servers, secured.acting_as(OURS), [QuotaChange(OURS, "producer_byte_rate", None)])
