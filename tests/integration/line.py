"""The whole line on the embedded stack, for the integration tests: up, fed, asked, down.

Reads     what the line says of itself: receipts by way of the sender, ClickHouse, status files
Returns   `Line`
Promises  everything it starts has ended when its context ends
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esep.access import OPERATOR
from esep.cli.operate import bring_up
from esep.embedded.stack import Stack
from esep.register import Register, load_register
from esep.settings import Settings, load_settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reconcile import reconcile

ROOT = Path(__file__).resolve().parent.parent.parent
BETS = ROOT / "examples" / "bustabit-a.csv"
REGISTER = ROOT / "examples" / "register.yaml"
WAIT_S = 90.0


@dataclass
class Line:
    """A line that is up."""

    stack: Stack
    settings: Settings
    register: Register

    def query(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the rows of a statement as dicts."""
        client = connect(self.settings)
        try:
            return list(client.query(sql, parameters=parameters).named_results())
        finally:
            client.close()

    def value(self, sql: str) -> Any:
        """Return the one value of a statement."""
        return next(iter(self.query(sql)[0].values()))

    def command(self, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `esep` command on this machine, with this environment."""
        return subprocess.run(
            [sys.executable, "-m", "esep.cli", *arguments, "--data-dir", str(self.stack.data_dir)],
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def wait_until(self, what: str, holds: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        """Return once something holds, tending to the apps meanwhile; AssertionError says what did not come."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
            self.stack.tend()
            time.sleep(0.1)

    def wait_rows(self, table: str, rows: int) -> None:
        """Return once a table holds so many rows."""
        self.wait_until(f"{rows} rows in {table}", lambda: int(self.value(f"SELECT count() FROM {table}")) >= rows)

    def assert_balanced(self) -> None:
        """Fail, with every difference, unless Kafka and ClickHouse hold the same records once all have arrived."""
        deadline = time.monotonic() + WAIT_S
        while not (report := reconcile(self.settings, self.register.bins)).balanced:
            assert time.monotonic() < deadline, report.to_json()
            self.stack.tend()
            time.sleep(0.5)


@contextmanager
def line(data_dir: Path, register: Path = REGISTER, *, secured: bool = False, **environment: str) -> Iterator[Line]:
    """Bring the line up below a directory, with the organizers of a register; end it with the context, at once.

    What is asked is asked as the operator.
    """
    with Stack(data_dir, register, secured=secured) as stack:
        try:
            bring_up(stack, environment)
            yield Line(stack, load_settings(stack.settings_as(OPERATOR)), load_register(register))
        finally:  # Nobody needs what they would put in order, for 2 s of processor time.
            for part in (*(app.process for app in stack.apps.values()), stack.clickhouse, stack.broker):
                if part.is_running():
                    part.kill()
