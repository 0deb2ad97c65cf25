"""The access plan, held to an oracle that asks for each principal and topic what the declaration says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esep.access import OPERATOR, PARTS, STAGES, AccessPlan, Grant, is_ours, plan_access, plan_of
from esep.settings import Settings
from esep.topics import (
    ACCEPTED,
    COMPLIANCE,
    LOADER,
    REFERENCE,
    RULES,
    SETTLE,
    TOTALS_CHANGELOG,
    Topic,
    all_topics,
    events_topic,
    receipts_topic,
)

BINS = ["940140000385", "950341000052", "961141000023", "070941024691"]
organizers = st.lists(st.sampled_from(BINS), unique=True)
workers = st.integers(1, 4)


def topics_of(bins: list[str]) -> list[Topic]:
    return all_topics(bins, events_partitions=2, ledger_partitions=4)


def plan(bins: list[str], count: int = 1) -> AccessPlan:
    return plan_access(topics_of(bins), bins, workers=count, bytes_per_s=1_000_000, request_percent=50)


def part_of(principal: str) -> str:
    return principal.rpartition("-")[0] or principal


@given(organizers, workers)
def test_topic_is_written_by_its_writer_and_read_by_its_readers_alone(bins: list[str], count: int) -> None:
    planned = plan(bins, count)
    for topic in topics_of(bins):
        for principal in planned.principals:
            may = {
                operation
                for p, kind, _, name, operation in planned.grants
                if (p, kind, name) == (principal, "TOPIC", topic.name)
            }
            expected = {"WRITE"} if part_of(principal) in topic.writers else set()
            expected |= {"READ"} if part_of(principal) in topic.readers else set()
            if principal == OPERATOR:
                known = topic.name in {ACCEPTED, TOTALS_CHANGELOG, REFERENCE, RULES}
                compared = LOADER in topic.readers or known or topic.writer in bins
                expected = {"READ" if compared else "DESCRIBE"}
            assert may == expected, (principal, topic.name)


@given(organizers, workers)
def test_organizer_has_three_rights_and_no_transactional_id(bins: list[str], count: int) -> None:
    planned = plan(bins, count)
    for bin_ in bins:
        assert {grant for grant in planned.grants if grant.principal == bin_} == {
            Grant(bin_, "TOPIC", "LITERAL", events_topic(bin_), "WRITE"),
            Grant(bin_, "TOPIC", "LITERAL", receipts_topic(bin_), "READ"),
            Grant(bin_, "GROUP", "PREFIXED", f"organizer.{bin_}.", "READ"),
        }


@given(organizers, workers)
def test_place_has_its_own_transactional_id_and_its_parts_group(bins: list[str], count: int) -> None:
    planned = plan(bins, count)
    ids = {(g.principal, g.name) for g in planned.grants if g.kind == "TRANSACTIONAL_ID"}
    places = {(f"{stage}-{n}", f"{stage}-{n}") for stage in STAGES for n in range(count)}
    assert ids == places | {(COMPLIANCE, COMPLIANCE), (SETTLE, SETTLE)}, "one writer after the other"
    joined = {(g.principal, g.name) for g in planned.grants if g.kind == "GROUP" and g.operation == "READ"}
    places = {(f"{part}-{n}", part) for part in PARTS for n in range(count)}
    assert joined == places | {(COMPLIANCE, COMPLIANCE), (SETTLE, SETTLE)} | {
        (bin_, f"organizer.{bin_}.") for bin_ in bins
    }


@given(organizers, workers)
def test_nobody_may_create_alter_or_delete_and_only_own_groups_are_named_by_prefix(bins: list[str], count: int) -> None:
    planned = plan(bins, count)
    assert {grant.operation for grant in planned.grants} <= {"READ", "WRITE", "DESCRIBE"}
    assert {grant.kind for grant in planned.grants} <= {"TOPIC", "GROUP", "TRANSACTIONAL_ID"}
    assert {(g.kind, g.principal) for g in planned.grants if g.pattern == "PREFIXED"} == {("GROUP", b) for b in bins}
    assert not any(grant.name in {"*", ""} for grant in planned.grants)


@given(organizers, workers)
def test_operator_writes_and_joins_nothing(bins: list[str], count: int) -> None:
    operators = [grant for grant in plan(bins, count).grants if grant.principal == OPERATOR]
    assert {grant.operation for grant in operators if grant.kind == "GROUP"} == {"DESCRIBE"}
    assert "WRITE" not in {grant.operation for grant in operators}


@given(organizers, st.randoms())
def test_plan_does_not_hang_on_the_order_of_the_register(bins: list[str], draw: object) -> None:
    other = list(bins)
    draw.shuffle(other)  # type: ignore[attr-defined]
    assert plan(other) == plan(bins)


@given(organizers)
def test_each_organizer_has_its_quotas_and_nobody_else_has(bins: list[str]) -> None:
    quotas = {(quota.principal, quota.key): quota.value for quota in plan(bins).quotas}
    assert quotas == {
        (bin_, key): value
        for bin_ in bins
        for key, value in (("producer_byte_rate", 1_000_000.0), ("request_percentage", 50.0))
    }


@given(organizers, workers)
def test_every_principal_of_a_plan_is_known_as_ours(bins: list[str], count: int) -> None:
    planned = plan(bins, count)
    assert all(map(is_ours, planned.principals))
    assert {grant.principal for grant in planned.grants} == set(planned.principals)


@given(st.text())
def test_strangers_are_not_ours(name: str) -> None:
    assert not is_ours(f"grafana{name}")
    assert not is_ours(f"{name}-")


def test_settings_say_how_many_workers_and_how_much() -> None:
    settings = Settings(workers=2, organizer_bytes_per_s=5_000_000, organizer_request_percent=30)
    planned = plan_of(settings, BINS)
    assert {"intake-1", "loader-1"} <= set(planned.principals)
    assert {quota.value for quota in planned.quotas} == {5_000_000.0, 30.0}
