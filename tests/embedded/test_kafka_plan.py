from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.access_files import AccessFiles
from esep.embedded import kafka_plan as module
from esep.embedded.kafka_plan import BrokerPlan, plan_broker, plan_cluster
from esep.errors import FileUnusable, SettingInvalid

CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"


def properties(plan: BrokerPlan) -> dict[str, str]:
    """What Java reads out of the text."""
    lines = [line.split("=", 1) for line in plan.properties().splitlines()]
    assert len({name for name, _ in lines}) == len(lines)
    escape = re.compile(r"\\(?:u([0-9a-f]{4})|\\)")
    found = {name: escape.sub(lambda match: chr(int(match[1] or "5c", 16)), value) for name, value in lines}
    return {name: value.encode("utf-16", "surrogatepass").decode("utf-16") for name, value in found.items()}


def test_same_directory_gives_the_same_broker(tmp_path):
    first = plan_broker(tmp_path / "kafka")
    assert plan_broker(tmp_path / "kafka") == first
    assert plan_broker(tmp_path / "other").cluster_id != first.cluster_id


def test_directory_that_was_moved_keeps_address_and_identity(tmp_path):
    before = plan_broker(tmp_path / "kafka")
    (tmp_path / "kafka").rename(tmp_path / "moved")
    after = plan_broker(tmp_path / "moved")
    assert (after.port, after.cluster_id, after.node_id) == (before.port, before.cluster_id, before.node_id)
    assert properties(after)["log.dirs"] == str(tmp_path / "moved" / "log")


def test_brokers_of_a_cluster_name_the_same_voters_and_share_no_port(tmp_path):
    plans = plan_cluster(3, tmp_path)
    assert [plan.node_id for plan in plans] == [1, 2, 3]
    assert {plan.voters for plan in plans} == {
        tuple(f"{plan.node_id}@127.0.0.1:{plan.controller_port}" for plan in plans)
    }
    assert len({plan.cluster_id for plan in plans}) == 1
    assert len({port for plan in plans for port in (plan.port, plan.controller_port)}) == 6
    assert plan_cluster(3, tmp_path) == plans


@pytest.mark.parametrize("count", [1, 2, 4])
def test_cluster_of_another_size_is_refused(tmp_path, count):
    plan_cluster(3, tmp_path)
    with pytest.raises(SettingInvalid, match=f"holds a cluster of 3 brokers, not of {count}"):
        plan_cluster(count, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"voters": [], "cellar": 1}'])
def test_plan_that_cannot_be_read_is_not_replaced(tmp_path, content):
    (tmp_path / "broker.json").write_text(content)
    with pytest.raises(FileUnusable, match="does not say where the broker stands"):
        plan_broker(tmp_path)
    assert (tmp_path / "broker.json").read_text() == content


@pytest.mark.parametrize(("count", "replicas", "insync"), [(1, "1", "1"), (2, "1", "1"), (3, "3", "2"), (5, "3", "2")])
def test_internal_topics_are_replicated_where_there_are_brokers_for_it(tmp_path, count, replicas, insync):
    found = properties(plan_cluster(count, tmp_path)[0])
    assert {found[name] for name in found if name.endswith("replication.factor")} == {replicas}
    assert {found[name] for name in found if name.endswith(("min.isr", "min.insync.replicas"))} == {insync}


def test_broker_keeps_for_more_than_a_year_where_a_stage_is_and_whose_a_transaction_was(tmp_path):
    """DESIGN §5; transactional ids Kafka keeps for 24.8 days at the most: the setting is an int of milliseconds."""
    found = properties(plan_broker(tmp_path))
    assert int(found["offsets.retention.minutes"]) > 366 * 24 * 60
    assert int(found["transactional.id.expiration.ms"]) == 2**31 - 1


@given(
    folder=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1, max_size=30),
    ports=st.lists(st.integers(1, 65_535), min_size=2, max_size=2, unique=True),
)
def test_properties_say_what_the_plan_says(folder, ports):
    plan = BrokerPlan(1, CLUSTER_ID, Path("/srv", folder), ports[0], ports[1], (f"1@127.0.0.1:{ports[1]}",))
    found = properties(plan)
    assert plan.properties().isascii()
    assert found["log.dirs"] == str(plan.data_dir / "log")
    assert found["listeners"] == f"CLIENT://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{ports[1]}"
    assert found["advertised.listeners"] == f"CLIENT://{plan.bootstrap_servers}"


def test_secured_broker_lets_nobody_in_unasked_and_nobody_do_what_no_right_allows(tmp_path):
    access = AccessFiles(tmp_path / "access")
    access.init()
    plan = plan_broker(tmp_path / "kafka")
    secured = plan.properties(access)
    text = dict(line.split("=", 1) for line in secured.splitlines())
    assert text["listener.security.protocol.map"] == "CLIENT:SASL_SSL,CONTROLLER:SSL"
    assert text["listener.name.controller.ssl.client.auth"] == "required"
    assert text["allow.everyone.if.no.acl.found"] == "false"
    assert text["super.users"] == "User:admin;User:broker"
    assert access.password("broker") in secured
    assert access.password("admin") not in secured
    assert "PASSWORD" not in plan.properties().upper()


def test_cluster_id_never_looks_like_an_option():
    ids = {module._new_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(each) == 22 and each[0] not in "-_" for each in ids)
