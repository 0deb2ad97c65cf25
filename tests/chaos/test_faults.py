"""A cluster is whole only while each of its brokers answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from esep.admin import create_topics
from esep.embedded.kafka import KafkaCluster
from esep.topics import Topic
from tests.chaos.faults import are_whole

pytestmark = pytest.mark.kafka


def test_cluster_with_a_broker_that_was_just_killed_is_not_whole_though_its_replicas_still_count(
    tmp_path: Path,
) -> None:
    with KafkaCluster(3, tmp_path) as cluster:
        create_topics(cluster.bootstrap_servers, [Topic("ledger", 3, "person_key", "totals", ("loader",))], 3)
        assert are_whole(cluster.brokers)
        cluster.brokers[1].kill()
        assert not are_whole(cluster.brokers)
