"""Start, ask and stop the ClickHouse process of one data directory.

Reads     a data directory; whether the process answers
Writes    in it: `server.json` (where it stands), `server.log` (what it says), `server.pid` while it runs; with users
          the audit log
Promises  acknowledged inserts survive a restart and a kill; a restart has the same address; ready means that the
          server itself has answered; clients need nothing but `url` (box: embedded)

    with ClickHouseServer(data_dir) as server:
        client = clickhouse_connect.get_client(dsn=server.url)
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import TYPE_CHECKING

from esep.embedded.ports import free_ports, port_is_free
from esep.embedded.process import ManagedProcess, Service
from esep.errors import PartUnready, SettingInvalid

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
READY_S = 60.0  # It takes 1 s; two cores shared with a whole test run may need twenty times that.
STOP_S = 6.0  # It ends itself within 5 s.
_ANSWER_S = 1.0
_BETWEEN_ASKS_S = 0.02


class ClickHouseServer(Service):
    """One server. `start`, `wait_ready`, `stop`; as a context manager all three.

    port: by default the one that the data directory has had, or a free one. users_file: see `users`; by default one
    user, `default`, without a password, on loopback; with one there are roles, and an audit log. backups: the directory
    that BACKUP may write to; by default below the data directory. die_with_parent: see `ManagedProcess`.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        users_file: Path | None = None,
        backups: Path | None = None,
        die_with_parent: bool = True,
    ) -> None:
        self.data_dir = data_dir.absolute()
        if not self.data_dir.as_posix().isprintable() or {"?", "&", "#", "%"} & set(str(self.data_dir)):
            raise SettingInvalid(
                f"the data directory {self.data_dir!s} cannot be used",
                detail="the engine takes its path as a URL, in which ?, &, # and % mean something else",
                hint="choose another directory",
            )
        self.port = self._kept_port(port)
        command = [sys.executable, "-m", "esep.embedded.clickhouse", "--host", HOST, "--port", str(self.port)]
        command += ["--data-dir", str(self.data_dir)] + (["--users", str(users_file)] if users_file else [])
        self.backups = (backups or self.data_dir / "backups").absolute()
        command += ["--backups", str(self.backups)]
        self.process = ManagedProcess(
            "ClickHouse",
            command,
            log_path=self.data_dir / "server.log",
            pid_path=self.data_dir / "server.pid",
            die_with_parent=die_with_parent,
        )

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://{HOST}:{self.port}"

    @property
    def audit_dir(self) -> Path:
        """The folder of the audit log, which there is where there are users."""
        return self.data_dir / "audit"

    @property
    def pid(self) -> int:
        """The server's process number. Raises UsageError before the first start."""
        return self.process.pid

    def start(self) -> None:
        """Start the process. Does not wait until it is ready.

        Raises UsageError if it runs already, SettingInvalid if somebody else listens on its port.
        """
        self.process.refuse_second()
        if not port_is_free(self.port, HOST):
            raise SettingInvalid(
                f"port {self.port} on {HOST} is taken",
                detail=f"ClickHouse listens there, by {self.data_dir / 'server.json'}",
                hint="stop what listens there now, then start again",
            )
        self.process.start()

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Return as soon as it answers. Raises PartUnready, with its last words, if it ends or after timeout_s."""
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            is_running = self.process.is_running()
            if not is_running or time.monotonic() > deadline:
                what = f"was not ready after {timeout_s:.0f} s" if is_running else "ended before it was ready"
                raise PartUnready(
                    f"ClickHouse at {self.url} {what}",
                    detail=self.process.log_tail(),
                    hint=f"see {self.process.log_path}",
                )
            time.sleep(_BETWEEN_ASKS_S)

    def is_running(self) -> bool:
        """Return whether its process runs; a paused one does."""
        return self.process.is_running()

    def terminate(self) -> None:
        """Ask it to end and return at once: for several that end together. Then `stop` each."""
        self.process.terminate()

    def stop(self, term_s: float = STOP_S) -> int | None:
        """Let it end in order, or kill it after term_s; return its exit code (None: it was never started)."""
        return self.process.stop(term_s)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self.process.kill()

    def pause(self) -> None:
        """Let it hang (SIGSTOP): its connections stay open and nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Let it run on (SIGCONT)."""
        self.process.resume()

    def _kept_port(self, wanted: int | None) -> int:
        kept = self.data_dir / "server.json"
        known = json.loads(kept.read_text(encoding="utf-8"))["port"] if kept.exists() else None
        port = int(wanted or known or free_ports(1, HOST)[0])
        if port != known:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(".part")
            part.write_text(json.dumps({"port": port}), encoding="utf-8")
            part.replace(kept)
        return port

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_ANSWER_S)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().read() == b"Ok.\n"
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
