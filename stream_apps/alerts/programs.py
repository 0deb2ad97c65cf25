"""The programs of all files of rules about one subject, compiled when they are first asked for.

Reads     `RuleFiles`, which may grow
Returns   `Programs`
Promises  a rule that is LIVE in one file after the other is one rule, which began with the first of them; nothing is
          compiled twice but by two threads at once, to the same end (decision 0046; box: alerts)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.errors import BrokerUnavailable
from esep.stream_apps.alerts.program import compile_rules, following

if TYPE_CHECKING:
    from esep.rule_files import RuleFiles
    from esep.rules import Subject
    from esep.stream_apps.alerts.program import Program


class Programs:
    """One for each file, by its place."""

    def __init__(self, files: RuleFiles, subject: Subject = "person") -> None:
        self._files = files
        self._subject: Subject = subject
        self._known: dict[int, Program] = {}

    @property
    def idle(self) -> bool:
        """Whether no file has any rule for them."""
        return all(self.at(place).idle for place in range(len(self._files.files)))

    def at(self, place: int) -> Program:
        """Return the program of a file; BrokerUnavailable where it has not been read yet."""
        if place >= len(self._files.files):
            raise BrokerUnavailable(
                f"the file of rules {place + 1} was taken by another process and is not known here",
                detail=f"known are {len(self._files.files)}",
                hint="the process may be started again at once",
            )
        if place not in self._known:
            file = self._files.files[place]
            program = compile_rules(file.rules, self._subject)
            self._known[place] = following(self.at(place - 1), program, file.from_ms) if place else program
        return self._known[place]
