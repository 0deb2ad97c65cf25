"""Who only reads has a name that it may use, and leaves no trace under it."""

from __future__ import annotations

from esep.outsider import organizers_own, outsider
from esep.security import PLAIN
from esep.topics import organizer_groups

SERVERS, BIN = "127.0.0.1:9092", "940140000385"


def test_nothing_is_committed_and_only_what_others_committed_is_read() -> None:
    made = outsider(SERVERS, "loader", {"sasl.username": "loader"})
    assert (made["bootstrap.servers"], made["group.id"], made["sasl.username"]) == (SERVERS, "loader", "loader")
    assert made["isolation.level"] == "read_committed"
    assert not made["enable.auto.commit"]


def test_organizer_s_consumers_have_names_of_their_own_that_it_may_use() -> None:
    names = {str(organizers_own(BIN, SERVERS, PLAIN)["group.id"]) for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith(organizer_groups(BIN)) for name in names)
