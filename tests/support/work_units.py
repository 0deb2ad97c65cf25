"""Which tests a worker takes as a whole, and in which order.

Reads     the text of test files; the tests' order
Returns   `work_unit` of a file; `ByWorkUnit`, a scheduler of xdist
Promises  what takes long to bring up is brought up by one worker, which runs all files that ask for it; a worker that
          ends in the midst of a test holds nobody up
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

# Fixtures that only one worker has: starting them again costs more than waiting for each other.
ALONE = re.compile(r"\b(common_line|secured|roles)(: (?:Line|Secured|RoleBooks)\b|\"\))")


class ByWorkUnit(LoadFileScheduling):
    """Files go to workers as `work_unit` says, in the order of their levels."""

    def _split_scope(self, nodeid: str) -> str:
        return work_unit(str(self.config.rootpath / nodeid.split("::", 1)[0]))

    def remove_node(self, node: WorkerController) -> str | None:
        """Return the test in which a worker died; what it had not begun goes to others.

        xdist 3.8 gives back its finished units as well, and whoever is given one of them waits for ever for its end.
        """
        units = self.assigned_work[node]
        for scope in [scope for scope, done in units.items() if all(done.values())]:
            del units[scope]
        died_in: str | None = super().remove_node(node)
        return died_in


@cache
def work_unit(file: str) -> str:
    """Return what a worker takes as a whole: a file, or all files whose tests ask for a fixture that is ALONE."""
    found = ALONE.search(Path(file).read_text("utf-8"))
    return found[1] if found else file
