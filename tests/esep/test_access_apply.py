"""Applying a plan at a real broker: only what differs is changed, strangers are left alone, the revoked stay out."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from esep.access import AccessPlan, Grant, plan_of
from esep.access_apply import Authority
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.kafka_quotas import user_quotas
from esep.kafka_wire import connect
from esep.settings import Settings
from esep.topics import ADMIN
from tests.support.secured import ANSWER_S, BINS, OTHER, OURS, SPARE, Secured

pytestmark = pytest.mark.kafka
PLAN = plan_of(Settings(), BINS)


def test_broker_has_exactly_the_planned_rights_users_and_quotas(secured: Secured) -> None:
    assert secured.authority.grants() == PLAN.grants
    assert secured.authority.users() == {*PLAN.principals, "admin", "broker"}
    quotas = user_quotas(secured.servers, secured.acting_as(ADMIN))
    assert quotas == {(quota.principal, quota.key): quota.value for quota in PLAN.quotas}


def test_second_time_changes_nothing(secured: Secured) -> None:
    assert secured.authority.apply(PLAN, secured.files).is_empty


def test_organizer_that_left_the_register_loses_its_rights_and_gets_them_back(secured: Secured) -> None:
    fewer = plan_of(Settings(), [OURS, OTHER])
    changed = secured.authority.apply(fewer, secured.files)
    assert set(changed.grants_removed) == PLAN.grants - fewer.grants
    assert not changed.grants_added
    assert {(change.user, change.value) for change in changed.quotas_set} == {(SPARE, None)}
    back = secured.authority.apply(PLAN, secured.files)
    assert set(back.grants_added) == PLAN.grants - fewer.grants
    assert secured.authority.grants() == PLAN.grants


@pytest.mark.parametrize("plan", [plan_of(Settings(), [OURS, OTHER]), PLAN])
def test_change_of_rights_returns_once_the_broker_tells_it(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, plan: AccessPlan
) -> None:
    grants = secured.authority.grants
    late = [grants()] * 3  # As a broker tells while it has not heard of the change.
    monkeypatch.setattr(secured.authority, "grants", lambda: late.pop() if late else grants())
    secured.authority.apply(plan, secured.files)
    assert not late
    assert secured.authority.grants() == plan.grants


def test_new_worker_gets_a_password_and_its_rights_and_gives_them_back(secured: Secured) -> None:
    two = plan_of(Settings(workers=2), BINS)
    changed = secured.authority.apply(two, secured.files)
    assert set(changed.users_made) == {"intake-1", "totals-1", "alerts-1", "loader-1"}
    connect(secured.servers, secured.acting_as("totals-1"), ANSWER_S).close()
    assert set(secured.authority.apply(PLAN, secured.files).grants_removed) == two.grants - PLAN.grants


def test_rights_that_somebody_else_manages_are_left_alone(secured: Secured) -> None:
    foreign = Grant("grafana", "TOPIC", "LITERAL", "ledger", "DESCRIBE")
    binding = AclBinding(
        ResourceType.TOPIC,
        "ledger",
        ResourcePatternType.LITERAL,
        "User:grafana",
        "*",
        AclOperation.DESCRIBE,
        AclPermissionType.ALLOW,
    )
    secured.authority._create([binding])
    secured.authority._until_granted({foreign}, set())
    assert secured.authority.apply(PLAN, secured.files).is_empty
    assert foreign in secured.authority.grants()
    secured.authority._delete([binding])
    secured.authority._until_granted(set(), {foreign})
    assert secured.authority.grants() == PLAN.grants


def test_old_password_is_refused_after_a_new_one_was_issued(secured: Secured) -> None:
    old = secured.acting_as(SPARE)
    connect(secured.servers, old, ANSWER_S).close()
    secured.passwords[SPARE] = secured.authority.issue(SPARE)
    with pytest.raises(SettingInvalid, match="refused the credentials"):
        connect(secured.servers, old, ANSWER_S)
    connect(secured.servers, secured.acting_as(SPARE), ANSWER_S).close()


def test_revoked_organizer_stays_out_whatever_is_applied_until_it_is_issued_anew(secured: Secured) -> None:
    for _ in range(2):
        secured.authority.revoke(SPARE)
    assert secured.authority.apply(PLAN, secured.files).is_empty
    with pytest.raises(SettingInvalid, match="refused the credentials"):
        connect(secured.servers, secured.acting_as(SPARE), ANSWER_S)
    secured.passwords[SPARE] = secured.authority.issue(SPARE)
    connect(secured.servers, secured.acting_as(SPARE), ANSWER_S).close()


@pytest.mark.parametrize("principal", ["intake-0", "operator", "compliance", OURS])
def test_nobody_but_the_admin_gets_as_far_as_asking(secured: Secured, principal: str) -> None:
    with pytest.raises(SettingInvalid, match="refused"):
        Authority(secured.servers, secured.acting_as(principal))


@pytest.mark.parametrize("principal", ["intake-0", OURS])
def test_broker_itself_refuses_changes_by_others(secured: Secured, principal: str) -> None:
    """Past our own question: the same requests that the admin makes."""
    before = secured.authority.grants()
    admin = AdminClient(secured.client(principal))
    wished = AclBinding(
        ResourceType.TOPIC,
        "ledger",
        ResourcePatternType.LITERAL,
        f"User:{principal}",
        "*",
        AclOperation.ALL,
        AclPermissionType.ALLOW,
    )
    password = UserScramCredentialUpsertion(OTHER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"mine")
    for asked in (admin.create_acls([wished])[wished], admin.alter_user_scram_credentials([password])[OTHER]):
        with pytest.raises(KafkaException) as caught:
            asked.result(ANSWER_S)
        assert caught.value.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED
    assert secured.authority.grants() == before
    connect(secured.servers, secured.acting_as(OTHER), ANSWER_S).close()


def test_broker_that_is_not_there_is_unavailable(secured: Secured) -> None:
    with pytest.raises(BrokerUnavailable):
        Authority("127.0.0.1:1", secured.acting_as(ADMIN))
