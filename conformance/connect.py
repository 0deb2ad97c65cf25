"""ClickHouse's own JDBC driver against the embedded server, on tables as `esep migrate` makes them.

Reads     conformance/jdbc, which Maven compiles
Writes    nothing that stays
Promises  ends the server that it starts; exit code 0 only if every check of Jdbc.java passed (make conformance-jdbc)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from esep.embedded.clickhouse import ClickHouseServer
from esep.settings import Settings
from esep.sinks.clickhouse.migrate import migrate

_POM = Path(__file__).with_name("jdbc") / "pom.xml"
_DATABASE = "esep"


def main() -> int:
    """Start a server, make the tables, run the checks; return Maven's exit code."""
    with tempfile.TemporaryDirectory(prefix="esep-jdbc-") as folder, ClickHouseServer(Path(folder)) as server:
        migrate(Settings(clickhouse_url=server.url, clickhouse_database=_DATABASE))
        command = ["mvn", "--batch-mode", "--quiet", "--file", str(_POM), "compile", "exec:java"]
        return subprocess.run([*command, f"-Dexec.args={server.url} {_DATABASE}"], check=False).returncode  # noqa: S603 - ours


if __name__ == "__main__":
    sys.exit(main())
