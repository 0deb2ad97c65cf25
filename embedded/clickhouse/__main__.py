"""The process that owns a data directory: the engine, its HTTP interface, an orderly end.

Reads     its arguments; SIGTERM, SIGINT
Writes    the data directory: the engine's data, `owner.lock`; with users of roles the audit log
Promises  one process per data directory, a second one says so and ends with exit code 2; it ends within 5 s of SIGTERM
          (box: embedded)

    python -m esep.embedded.clickhouse --data-dir DIR --port N [--host 127.0.0.1] [--users FILE] [--backups DIR]
                                      [--database NAME] [--audit DIR] [--audit-head FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from esep.embedded.clickhouse.audit import Audit
from esep.embedded.clickhouse.engine import Engine
from esep.embedded.clickhouse.http import Interface
from esep.embedded.clickhouse.role_config import users_xml
from esep.embedded.clickhouse.users import Users
from esep.errors import EsepError, SettingInvalid, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKUPS = "backups"  # The folder's name where none is given.
SEND_S = 0.2  # At shutdown, for answers that are on their way; aiohttp waits so long for idle connections too.
END_S = 4.0  # After SIGTERM. Whatever still runs then ends as with a kill, which costs nothing that was acknowledged.
_LINE_BYTES_MAX = 1024 * 1024  # ClickHouse's http_max_uri_size; query parameters stand in the URL.
_READ_BYTES = 1024 * 1024


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m esep.embedded.clickhouse", description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="other than loopback: give users passwords")
    parser.add_argument("--users", type=Path, help="users file (JSON); default: one user `default` on loopback")
    parser.add_argument(
        "--backups", type=Path, help="where BACKUP may write; default: backups below the data directory"
    )
    parser.add_argument("--database", default="esep", help="database that the roles of users are for")
    parser.add_argument("--audit", type=Path, help="folder of the audit log; default: audit in the data directory")
    parser.add_argument("--audit-head", type=Path, help="where the head of the audit log is written, far from it")
    given = parser.parse_args()
    backups = (given.backups or given.data_dir / BACKUPS).absolute()
    try:
        with _owned(given.data_dir.absolute()) as data_dir:
            users = Users(given.users)
            audit = Audit(given.audit or data_dir / "audit", given.audit_head) if given.users else None
            engine = Engine(data_dir, backups, users_xml(given.database) if given.users else "")
            _serve(engine, given.host, given.port, users, audit)
    except EsepError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


@contextlib.contextmanager
def _owned(data_dir: Path) -> Iterator[Path]:
    """Own the directory until the process ends; the kernel gives it back however that is."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "owner.lock").open("a+") as owner:
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner.seek(0)
            raise UsageError(
                f"another process has the ClickHouse data in {data_dir}",
                detail=f"process {owner.read().strip() or 'unknown'} owns it, and only one can",
                hint="use that process's address, stop it, or choose another directory",
            ) from error
        owner.truncate(0)
        owner.write(str(os.getpid()))
        owner.flush()
        yield data_dir


def _serve(engine: Engine, host: str, port: int, users: Users, audit: Audit | None) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # Each part of a table is a few files.
    try:
        is_idle = asyncio.run(_listen(engine, host, port, users, audit))
    except SettingInvalid:
        engine.close()
        raise
    if not is_idle:
        os._exit(0)  # The engine cannot be closed under a statement; to end as with a kill costs nothing either.
    engine.close()


async def _listen(engine: Engine, host: str, port: int, users: Users, audit: Audit | None) -> bool:
    """Serve until a signal comes; return whether nothing runs any more."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _begin_end, ended)
    interface = Interface(engine, users, audit)
    runner = web.AppRunner(
        interface.application(),
        access_log=None,
        handler_cancellation=True,  # So that a handler hears that its client has gone away.
        auto_decompress=False,  # It knows fewer encodings than ClickHouse's clients use.
        max_line_size=_LINE_BYTES_MAX,
        max_field_size=_LINE_BYTES_MAX,
        read_bufsize=_READ_BYTES,
        shutdown_timeout=SEND_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await ended.wait()
    except OSError as error:
        raise SettingInvalid(
            f"cannot listen on {host}:{port}", detail=str(error), hint="choose another port, or stop what listens there"
        ) from error
    finally:
        await runner.cleanup()
    return interface.is_idle


def _begin_end(ended: asyncio.Event) -> None:
    """Begin the orderly end, and see to it that it is not the last word."""
    ended.set()
    watchdog = threading.Timer(END_S, os._exit, [0])
    watchdog.daemon = True
    watchdog.start()


if __name__ == "__main__":
    main()
