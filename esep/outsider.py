"""How a consumer is set up that reads what lies on a topic and belongs to no group.

Reads     nothing
Returns   properties of librdkafka, to add to
Promises  committed records only; nothing is joined and nothing committed under the name that it has to have
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from esep.topics import organizer_groups

if TYPE_CHECKING:
    from collections.abc import Mapping


def outsider(bootstrap_servers: str, name: str, security: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties of a consumer that is told which partitions to read.

    name: a group's, for librdkafka wants one; brokers that ask who it is must allow it. security: see `esep.security`.
    """
    return {
        "bootstrap.servers": bootstrap_servers,
        **security,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "group.id": name,
        "isolation.level": "read_committed",
    }


def organizers_own(organizer_bin: str, bootstrap_servers: str, security: Mapping[str, str]) -> dict[str, Any]:
    """Return those of a consumer with an organizer's credentials, under a name that no other consumer has."""
    return outsider(bootstrap_servers, f"{organizer_groups(organizer_bin)}{uuid.uuid4()}", security)
