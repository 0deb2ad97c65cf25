"""Servers that the tests of one worker share, and when each is ended.

Reads     which fixtures and marks a test has
Returns   `level_of` a test; `shared`: a server that is started once and ended with its level; `passing`: a server that
          is ended without putting its data in order
Promises  tests are run level by level, so that a server which no later test asks for does not run beside them
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.embedded.kafka import KafkaBroker

# Marks, or fixtures that start a server, in the order in which tests are run: the longest first.
LEVELS = ("stack", "secured", "servers", "registry", "kafka", "roles", "clickhouse", "none")
_OPEN = {level: ExitStack() for level in LEVELS}

T = TypeVar("T")
S = TypeVar("S", "KafkaBroker", "ClickHouseServer")


def level_of(item: pytest.Item) -> int:
    """Return the place in LEVELS of what a test asks for."""
    asked = {*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers())}
    return next((place for place, level in enumerate(LEVELS) if level in asked), len(LEVELS) - 1)


def shared(level: str, start: Callable[[Path], AbstractContextManager[T]]) -> T:
    """Return what `start` starts in a directory of its own; it runs until tests of a later level begin."""
    folder = _OPEN[level].enter_context(tempfile.TemporaryDirectory(prefix="esep-test-"))
    return _OPEN[level].enter_context(start(Path(folder)))


@contextmanager
def passing(server: S) -> Iterator[S]:
    """Run a server whose data nobody will ask for: it is ended at once."""
    with server:
        try:
            yield server
        finally:
            server.kill()


def end_before(place: int) -> None:
    """End what only tests of earlier levels ask for."""
    for level in LEVELS[:place]:
        _OPEN[level].close()
