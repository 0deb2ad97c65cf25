"""Which tests a worker takes as a whole, and which worker takes them.

Reads     which fixtures tests ask for, and the levels of their files (`tests/support/services.py`)
Returns   `tell_units`, called by a worker: the work unit of each file, which it alone can know; `ByWorkUnit`, a
          scheduler of xdist, to which it is told
Promises  what takes long to bring up is brought up by one worker, which runs all files that ask for it, and a server of
          any other kind by SHARERS; a worker that ends in the midst of a test holds nobody up
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadFileScheduling

from tests.support.services import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest
    from xdist.workermanage import WorkerController

# Fixtures that only one worker has: starting them again costs more than waiting for each other.
ALONE = ("common_line", "secured", "roles")
# Levels whose servers each worker would start for itself; a broker is slow at first, and there are two cores.
SHARED = ("servers", "kafka", "clickhouse")
SHARERS = 2


def tell_units(worker: Mapping[str, Any], items: Sequence[pytest.Item], levels: Mapping[Path, int]) -> None:
    """Write down of each file its work unit, LEVEL:NAME; one worker does it for all. worker: what xdist told it."""
    if worker["workerid"] == "gw0":
        asked = [(item.path, fixture) for item in items for fixture in getattr(item, "fixturenames", ())]
        alone = {path: fixture for path, fixture in asked if fixture in ALONE}
        files = {item.nodeid.split("::", 1)[0]: item.path for item in items}
        units = {file: f"{LEVELS[levels[path]]}:{alone.get(path, file)}" for file, path in files.items()}
        _told(worker).write_text(json.dumps(units), encoding="utf-8")


class ByWorkUnit(LoadFileScheduling):
    """Work units go to workers in the order of their levels, to those first that need start no server for them."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._sharers: defaultdict[str, set[WorkerController]] = defaultdict(set)

    @cached_property
    def _units(self) -> dict[str, str]:
        told = _told(self.nodes[0].workerinput)
        units: dict[str, str] = json.loads(told.read_text("utf-8"))
        told.unlink()
        return units

    def _split_scope(self, nodeid: str) -> str:
        return self._units[super()._split_scope(nodeid)]

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give a worker the first unit that it may have; if there is none, it has nothing more to do."""
        for unit in self.workqueue:
            sharers = self._sharers[unit.split(":", 1)[0]]
            if node in sharers or len(sharers) < SHARERS:
                break
        else:
            node.shutdown()
            return
        if unit.startswith(SHARED):
            sharers.add(node)
        self.workqueue.move_to_end(unit, last=False)
        super()._assign_work_unit(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Return the test in which a worker died; what it had not begun goes to others.

        xdist 3.8 gives back its finished units as well, and whoever is given one of them waits for ever for its end.
        """
        for sharers in self._sharers.values():
            sharers.discard(node)
        units = self.assigned_work[node]
        for unit in [unit for unit, done in units.items() if all(done.values())]:
            del units[unit]
        died_in: str | None = super().remove_node(node)
        return died_in


def _told(worker: Mapping[str, Any]) -> Path:
    return Path(tempfile.gettempdir(), f"esep-work-units-{worker['testrunuid']}.json")
