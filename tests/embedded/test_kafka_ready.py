from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.embedded.kafka_plan import BrokerPlan
from esep.embedded.kafka_ready import GROUP, TRANSACTION, Readiness, coordinator_found, find_coordinator_request
from esep.embedded.ports import free_ports


def answer(error: int) -> bytes:
    """An answer to FindCoordinator, version 1, with this error code and node 1 at 127.0.0.1:19092."""
    body = struct.pack(">iih", 0, 0, error) + struct.pack(">h", -1) + struct.pack(">ih9si", 1, 9, b"127.0.0.1", 19_092)
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize("kind", [GROUP, TRANSACTION])
def test_request_states_its_own_size_and_kind(kind):
    request = find_coordinator_request(kind)
    assert struct.unpack_from(">ihh", request) == (len(request) - 4, 10, 1)
    assert request[-1] == kind


def test_coordinator_is_found_in_an_answer_without_an_error_only():
    assert coordinator_found(answer(0))
    assert not any(coordinator_found(answer(error)) for error in (-1, 14, 15, 16))


@given(st.binary(max_size=64))
def test_any_bytes_are_an_answer_or_none(received):
    assert coordinator_found(received) == (len(received) >= 14 and received[12:14] == b"\0\0")


@given(st.integers(0, 13))
def test_answer_cut_short_is_none(length):
    assert not coordinator_found(answer(0)[:length])


@pytest.mark.kafka
def test_broker_that_runs_is_ready_and_has_both_coordinators(broker):
    assert Readiness(broker.plan).is_ready()


@pytest.mark.kafka
def test_broker_of_another_id_is_not_the_one_that_is_waited_for(broker):
    plan = broker.plan
    other = BrokerPlan(2, plan.cluster_id, plan.data_dir, plan.port, plan.controller_port, plan.voters)
    assert not Readiness(other).is_ready()
    assert not Readiness(plan, frozenset({2})).is_ready()


def test_nobody_and_somebody_mute_are_not_ready():
    """A port on which nobody listens, then one that takes connections and says nothing, as a paused broker does."""
    [port] = free_ports(1)
    plan = BrokerPlan(1, "MkU3OEVBNTcwNTJENDM2Qg", Path("unused"), port, port, ())
    assert not Readiness(plan).is_ready()
    with socket.create_server(("127.0.0.1", port)):
        assert not Readiness(plan)._has_coordinator(GROUP)
