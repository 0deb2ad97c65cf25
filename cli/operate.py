"""`esep up`, `down`, `status`: the whole line on this machine.

Reads     the data directory and what the parts say of themselves
Writes    `stack.json` in the data directory, so that other commands find the line
Promises  `up` returns (detached) or reports (in front) only once every part has answered; `down` leaves nothing behind
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from esep.access import plan_of
from esep.access_apply import Authority
from esep.access_files import AccessFiles, write_bundle
from esep.calendar import load_holidays
from esep.cli.context import DATA_DIR, STACK_FILE, AsJson, DataDir, settings_of
from esep.cli.output import err, out, print_json, print_table
from esep.cli.run import Part, prepare
from esep.embedded.process import ManagedProcess, ProcessIdentity
from esep.embedded.stack import Stack
from esep.errors import PartUnready, UsageError
from esep.register import load_register
from esep.security import client_security
from esep.settings import Settings, load_settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.notices.record import Standing, standing
from esep.status import group_lags
from esep.topics import ADMIN

_PID_FILE = "up.pid"
_DETACHED_READY_S = 120.0  # The first start downloads the broker (about 130 MB).
_DOWN_S = 40.0  # Four apps, ClickHouse and a broker, ten seconds each at the very worst, several at a time.
_TABLES = ("ledger", "rejected", "receipts", "alerts", "dispositions", "notices")

Register = Annotated[Path, typer.Option(help="Register of organizers (YAML).")]


def up(
    data_dir: DataDir = DATA_DIR,
    register: Register = Path("examples/register.yaml"),
    plain: Annotated[
        bool, typer.Option("--plain", help="Without TLS and passwords: whoever reaches the broker may do everything.")
    ] = False,
    no_loader: Annotated[
        bool, typer.Option("--no-loader", help="All but the loader: for `esep restore` and `esep retention run`.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is ready, and leave it running.")] = False,
) -> None:
    """Start the whole line on this machine: broker, ClickHouse, intake, totals, alerts, loader.

    The broker asks everybody who he is; files and passwords are in `access` below the data directory, the organizers'
    in `access/organizers`.

    Example: [bold]esep up --data-dir .esep --detach[/]
    """
    running = ProcessIdentity.read(data_dir / _PID_FILE)
    if running is not None and running.is_running():
        raise UsageError(f"a line runs already in {data_dir}", hint="`esep status` shows it, `esep down` ends it")
    if detach:
        _up_detached(data_dir, register, plain=plain, no_loader=no_loader)
    else:
        _up_in_front(data_dir, register, plain=plain, no_loader=no_loader)


def down(data_dir: DataDir = DATA_DIR) -> None:
    """End the line that `esep up` started.

    Example: [bold]esep down[/]
    """
    running = ProcessIdentity.read(data_dir / _PID_FILE)
    if running is None or not running.is_running():
        raise UsageError(f"no line runs in {data_dir}", hint="name its folder with --data-dir")
    running.stop(_DOWN_S)
    out.print("the line has ended; its data stay in", data_dir, highlight=False)


def status(data_dir: DataDir = DATA_DIR, as_json: AsJson = False) -> None:
    """Show each process, the lag of each consumer group and partition, the rows in ClickHouse, and the written notices.

    Example: [bold]esep status --json[/]
    """
    settings = settings_of(data_dir)
    processes = [{"part": file.stem, **_process_facts(file)} for file in sorted((data_dir / "status").glob("*.json"))]
    lags = group_lags(settings.bootstrap_servers, client_security(settings))
    client = connect(settings)
    rows = {table: client.query(f"SELECT count() FROM {table}").result_rows[0][0] for table in _TABLES}  # noqa: S608 - our names
    due = standing(client, load_holidays(), datetime.now(UTC))
    client.close()
    if as_json:
        told = {"untold": due.to_json() if due else None}
        print_json({"processes": processes, "lag": [lag._asdict() for lag in lags], "rows": rows, "notices": told})
        return
    columns = ("part", "pid", "running", "state")
    print_table("processes", columns, [[facts[name] for name in columns] for facts in processes])
    print_table("lag", ("group", "topic", "partition", "committed", "end", "lag"), lags)
    print_table("rows in ClickHouse", ("table", "rows"), list(rows.items()))
    out.print(_notices_line(due), highlight=False, soft_wrap=True)


def _notices_line(due: Standing | None) -> str:
    if due is None:
        return "written notices: every day that is over was looked through"
    return f"written notices: {due.day} is to be looked through (esep notices --issue), {due.hours_left} hours left"


def grant_access(settings: Settings, access: AccessFiles) -> None:
    """Bring a line on this machine to its access plan, and write the bundle of each organizer that has none."""
    register = load_register(settings.register_file)
    authority = Authority(settings.bootstrap_servers, client_security(settings))
    authority.apply(plan_of(settings, register.bins), access)
    known = authority.users()
    for organizer_bin in register.bins:
        if organizer_bin not in known:
            password = authority.issue(organizer_bin)
            ca_pem = access.ca_file.read_text(encoding="utf-8")
            write_bundle(access.bundle_dir(organizer_bin), organizer_bin, password, ca_pem, settings.bootstrap_servers)


def app_commands(*, no_loader: bool = False) -> dict[str, list[str]]:
    """Return the command of each app of a line on one machine: one worker of each part; the gateway is a way to it."""
    left_out = {Part.GATEWAY, *([Part.LOADER] if no_loader else [])}
    return {
        f"{part.value}-0": [sys.executable, "-m", "esep.cli", "run", part.value]
        for part in Part
        if part not in left_out
    }


def bring_up(stack: Stack, environment: dict[str, str], *, no_loader: bool = False) -> None:
    """Start the services, make topics and tables, start the apps; return once all are ready."""
    stack.start_services()
    prepare(load_settings(stack.settings_as(ADMIN)))
    if stack.access is not None:
        grant_access(load_settings(stack.settings_as(ADMIN)), stack.access)
    stack.start_apps(app_commands(no_loader=no_loader), environment)
    stack.wait_ready()
    (stack.data_dir / STACK_FILE).write_text(json.dumps({"settings": stack.settings}), encoding="utf-8")


def _up_in_front(data_dir: Path, register: Path, *, plain: bool, no_loader: bool) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    data_dir.mkdir(parents=True, exist_ok=True)
    identity = ProcessIdentity.of(os.getpid())
    if identity is not None:
        identity.write(data_dir / _PID_FILE)
    try:
        with Stack(data_dir, register, secured=not plain, backup_dir=load_settings().backup_dir) as stack:
            bring_up(stack, {}, no_loader=no_loader)
            out.print(f"ready: {stack.broker.bootstrap_servers} and {stack.clickhouse.url}", highlight=False)
            stack.watch(ended.wait)
    finally:
        (data_dir / STACK_FILE).unlink(missing_ok=True)
        (data_dir / _PID_FILE).unlink(missing_ok=True)


def _up_detached(data_dir: Path, register: Path, *, plain: bool, no_loader: bool) -> None:
    command = [sys.executable, "-m", "esep.cli", "up", "--data-dir", str(data_dir), "--register", str(register)]
    command += (["--plain"] if plain else []) + (["--no-loader"] if no_loader else [])
    log_path = data_dir / "logs" / "up.log"
    (data_dir / STACK_FILE).unlink(missing_ok=True)
    process = ManagedProcess("esep up", command, log_path=log_path, die_with_parent=False)
    process.start()
    err.print(f"starting (log: {log_path}) …", highlight=False)
    for _ in range(int(_DETACHED_READY_S * 10)):
        if (data_dir / STACK_FILE).exists():
            settings = settings_of(data_dir)
            out.print(f"ready: {settings.bootstrap_servers} and {settings.clickhouse_url}", highlight=False)
            return
        if process.wait(0.1) is not None:
            break
    process.stop(_DOWN_S)
    raise PartUnready("the line did not become ready", detail=process.log_tail(), hint=f"the whole log is {log_path}")


def _process_facts(status_file: Path) -> dict[str, object]:
    """Return what an app last said of itself, and whether that process still runs."""
    facts = json.loads(status_file.read_text(encoding="utf-8"))
    running = ProcessIdentity.of(facts["pid"]) is not None
    return {**facts, "running": running, "state": facts["state"] if running else "ended"}
