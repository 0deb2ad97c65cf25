"""Whether loaders are away: no member in their group, and no insert of theirs on its way.

Reads     the brokers: the members of the group `loader`; ClickHouse: which inserts it is at work on
Returns   once nobody loads
Promises  joins no group; a loader that was killed counts as there until its session is over, for until then it may come
          back; raises UsageError rather than have rows removed beside a loader (DESIGN §5 "Loader"; box:
          sinks/clickhouse)
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esep.errors import UsageError
from esep.group_members import members_of
from esep.topics import LOADER

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings

LOOK_S = 0.5
_INSERTS = """
SELECT count() FROM system.processes WHERE query_kind = 'Insert' AND current_database = currentDatabase()
"""


@dataclass(slots=True)
class Away:
    """Call it to have it return once no loader is there; wait_s: how long a call waits for that."""

    settings: Settings
    client: Client
    wait_s: float

    def __call__(self) -> None:
        """Return once loaders are away; raises UsageError if one still is there then, BrokerUnavailable."""
        give_up_at = time.monotonic() + self.wait_s
        while there := self._there():
            if time.monotonic() >= give_up_at:
                raise UsageError(
                    f"rows are not removed while they are loaded: {there}",
                    hint="stop every loader first; a loader that was killed counts until its session is over",
                )
            time.sleep(LOOK_S)

    def _there(self) -> str:
        """Return who is there, in words."""
        if members := members_of(self.settings, LOADER):
            return f"the group {LOADER} has {members} members"
        inserts = int(self.client.query(_INSERTS).result_rows[0][0])
        return f"ClickHouse is at work on {inserts} inserts" if inserts else ""
