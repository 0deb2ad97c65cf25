"""Everything on one machine: a broker, ClickHouse and the apps, each a process of its own, started, watched, stopped.

Reads     the commands of the apps; what they say of themselves in their status files
Writes    one data directory: the services' data, keys, logs, status files; it survives restarts
Promises  ready means that each part was asked and answered; an app that ends is started again unless starting it again
          cannot help; at the end nothing that was started still runs (box: embedded)
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from esep.access_files import AccessFiles
from esep.embedded.clickhouse import ClickHouseServer
from esep.embedded.kafka import KafkaBroker, KafkaCluster
from esep.embedded.kafka_plan import REPLICATION
from esep.embedded.process import ManagedProcess, Service
from esep.errors import InvariantBroken, PartUnready, PlaceTaken, SettingInvalid, UsageError
from esep.keys import make_routing_key
from esep.pseudonyms import make_first_key
from esep.receipt_keys import make_receipt_keys
from esep.store_users import StoreUsers

log = logging.getLogger("esep.stack")

READY_S = 60.0  # A cold start of Python, polars and Faust takes 2-3 s; a machine under load several times that.
_ASK_EVERY_S = 0.05
_RESTART_AFTER_S = 1.0  # Doubles with each end within ten minutes.
_RESTART_AFTER_S_MAX = 30.0
_PLACE_TAKEN_AFTER_S = 30.0  # DESIGN §5: back off 30 s, and after three times in ten minutes stop and say why.
_ENDS_COUNTED_S = 600.0
_PLACE_TAKEN_MAX = 3
_FINAL = {InvariantBroken.exit_code, UsageError.exit_code}  # Started again it would end the same way, or do harm.


@dataclass
class App:
    """One app: its process, where it says how it is, when it ended, and when it is to be started again."""

    process: ManagedProcess
    status_file: Path
    ended_at: list[float] = field(default_factory=list)
    restart_at: float | None = None
    given_up: str = ""

    def status(self) -> dict[str, Any]:
        """Return what the app last said of itself, or nothing if that was another process."""
        try:
            status: dict[str, Any] = json.loads(self.status_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return status if self.process.is_running() and status.get("pid") == self.process.pid else {}


class Stack:
    """The line on one machine. Use it as a context manager, or call `stop` whatever happens.

    secured: the broker asks everybody who he is; each app acts as a principal of its own. It is fixed at the first
    start on a data directory; SettingInvalid if that was otherwise. brokers: one, or a cluster of three or more, which
    keeps three copies of each topic and survives the loss of any one of them; fixed at the first start too.
    backup_dir: where backups of ClickHouse go; by default `backups` below the data directory.
    """

    def __init__(
        self,
        data_dir: Path,
        register_file: Path,
        *,
        die_with_parent: bool = True,
        secured: bool = False,
        brokers: int = 1,
        backup_dir: Path | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._register_file = register_file.absolute()
        self._die_with_parent = die_with_parent
        self.access = _access(self.data_dir, secured=secured)
        self.broker = _brokers(brokers, self.data_dir / "kafka", self.access, die_with_parent=die_with_parent)
        self._copies = REPLICATION if brokers >= REPLICATION else 1
        self._users = StoreUsers(self.data_dir / "store-users")
        self.clickhouse = ClickHouseServer(
            self.data_dir / "clickhouse",
            users_file=self._users.users_file,
            backups=backup_dir or self.data_dir / "backups",
            die_with_parent=die_with_parent,
        )
        self.apps: dict[str, App] = {}

    @property
    def settings(self) -> dict[str, str]:
        """What `esep.settings` needs to find this line, by setting name."""
        return {
            "bootstrap_servers": self.broker.bootstrap_servers,
            "replication_factor": str(self._copies),
            "clickhouse_url": self.clickhouse.url,
            "backup_dir": str(self.clickhouse.backups),
            "register_file": str(self._register_file),
            "routing_key_file": str(self.data_dir / "keys" / "routing.key"),
            "receipt_key_file": str(self.data_dir / "keys" / "receipt.key"),
            "pseudonym_key_file": str(self._pseudonym_key),
            "store_users_dir": str(self._users.users_file.parent),
            "audit_dir": str(self.clickhouse.audit_dir),
        }

    @property
    def _pseudonym_key(self) -> Path:
        return self.data_dir / "keys" / "pseudonym.key"

    def settings_as(self, principal: str) -> dict[str, str]:
        """Return the settings of a process that acts as a principal of ours; `settings` where nobody is asked."""
        return {**self.settings, **(self.access.settings(principal) if self.access else {})}

    def start_services(self) -> None:
        """Make the keys that are missing, start the broker and ClickHouse side by side, wait until both answer."""
        make_routing_key(self.data_dir / "keys" / "routing.key")
        make_receipt_keys(self.data_dir / "keys", datetime.now(UTC))
        make_first_key(self._pseudonym_key)
        self._users.write_users()
        if self.access and not self.access.exists():
            self.access.init()
        with ThreadPoolExecutor(2) as threads:
            for started in [threads.submit(_start, self.broker), threads.submit(_start, self.clickhouse)]:
                started.result()

    def start_apps(self, commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> None:
        """Start an app per name, `<part>-<ordinal>`, with its command; `environment` comes on top of ours."""
        for name, command in commands.items():
            status_file = self.data_dir / "status" / f"{name}.json"
            status_file.parent.mkdir(parents=True, exist_ok=True)
            env = {
                **os.environ,
                "RUST_BACKTRACE": "0",  # A record that cannot be read is a row with a code, not pages of stack.
                **{f"ESEP_{key.upper()}": value for key, value in self.settings_as(name).items()},
                "ESEP_ORDINAL": name.rpartition("-")[2],
                "ESEP_STATUS_FILE": str(status_file),
                **environment,
            }
            process = ManagedProcess(
                name,
                command,
                log_path=self.data_dir / "logs" / f"{name}.log",
                env=env,
                die_with_parent=self._die_with_parent,
            )
            process.start()
            self.apps[name] = App(process, status_file)

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Return once every app says that it is ready; PartUnready names the one that is not, with its last words."""
        deadline = time.monotonic() + timeout_s
        for name, app in self.apps.items():
            while app.status().get("state") != "ready":
                if not app.process.is_running() or time.monotonic() > deadline:
                    state = "is not ready" if app.process.is_running() else f"ended ({app.process.exit_code})"
                    raise PartUnready(
                        f"{name} {state}", detail=app.process.log_tail(), hint=f"its log is {app.process.log_path}"
                    )
                time.sleep(_ASK_EVERY_S)

    def watch(self, stopped: Callable[[float], bool]) -> None:
        """Start again what ends, until `stopped(seconds)`, which waits that long, says so."""
        while not stopped(_ASK_EVERY_S):
            self.tend()

    def tend(self) -> None:
        """Look once at every app: note an end, start again what is due."""
        now = time.monotonic()
        for name, app in self.apps.items():
            if app.process.is_running() or app.given_up:
                continue
            if app.restart_at is None:
                self._note_end(name, app, now)
            elif now >= app.restart_at:
                app.restart_at = None
                app.process.start()
                log.info("%s started again as process %d", name, app.process.pid)

    def stop(self) -> None:
        """End the apps, then ClickHouse and the broker; each is killed if it does not end in time."""
        for app in self.apps.values():
            app.process.terminate()
        for app in self.apps.values():
            app.process.stop()
        self.clickhouse.stop()
        self.broker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _note_end(self, name: str, app: App, now: float) -> None:
        code = app.process.exit_code
        app.ended_at = [ended for ended in app.ended_at if now - ended < _ENDS_COUNTED_S] + [now]
        app.given_up, wait_s = verdict_on_end(code, len(app.ended_at))
        if app.given_up:
            log.error("%s ended (%s) and stays down: %s\n%s", name, code, app.given_up, app.process.log_tail())
        else:
            app.restart_at = now + wait_s
            log.warning("%s ended (%s), starts again in %.0f s", name, code, wait_s)


def verdict_on_end(exit_code: int | None, ends: int) -> tuple[str, float]:
    """Return why an app stays down (empty: it does not) and after how many seconds it is started again.

    ends: how often it has ended within ten minutes, this time included. Source: DESIGN §5, "Producer".

    >>> verdict_on_end(-9, 1), verdict_on_end(-9, 4), verdict_on_end(76, 1)
    (('', 1.0), ('', 8.0), ('', 30.0))
    >>> verdict_on_end(76, 3)[0]
    'another worker holds its place'
    """
    if exit_code in _FINAL:
        return "starting it again cannot help, see its log", 0.0
    if exit_code == PlaceTaken.exit_code:
        return ("another worker holds its place" if ends >= _PLACE_TAKEN_MAX else ""), _PLACE_TAKEN_AFTER_S
    return "", min(_RESTART_AFTER_S * 2 ** (ends - 1), _RESTART_AFTER_S_MAX)


def _access(data_dir: Path, *, secured: bool) -> AccessFiles | None:
    """Return the authority's files, or None; SettingInvalid if the data directory was begun the other way."""
    access = AccessFiles(data_dir / "access")
    if secured != access.exists() and (data_dir / "kafka" / "log").exists():
        began, now = ("with", "without") if access.exists() else ("without", "with")
        raise SettingInvalid(
            f"the line in {data_dir} was begun {began} passwords and cannot be started {now} them",
            detail="who may do what is part of the broker's data",
            hint="leave --plain out" if access.exists() else "say --plain, or begin in another --data-dir",
        )
    return access if secured else None


def _brokers(
    count: int, data_dir: Path, access: AccessFiles | None, *, die_with_parent: bool
) -> KafkaBroker | KafkaCluster:
    if count == 1:
        return KafkaBroker(data_dir, die_with_parent=die_with_parent, access=access)
    return KafkaCluster(count, data_dir, die_with_parent=die_with_parent, access=access)


def _start(service: Service) -> None:
    service.start()
    service.wait_ready()
