"""The ClickHouse engine in this process, through chdb: connections, statements, inserts, the end of running queries.

Reads     one data directory
Writes    it: the data, `config.xml`, `users.xml` where there are roles; on BACKUP, the directory of backups
Promises  every error of the engine's is a `QueryError`; the data of an insert are never handed to it as a statement;
          calls block and release the GIL, one connection at a time serves one thread (box: embedded)

What is known of chdb-core 26.9.0 and used here; `_conn` is private, so the version is pinned:
- `query` runs several statements, and what follows a blank line in an INSERT's data as SQL: only `insert` brings data.
- INTO OUTFILE writes every format as a server would, in bounded memory; `send_query` encodes each block by itself.
- A query's id cannot be chosen. A query is found again by a setting that nothing reads.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from esep.embedded.clickhouse.answers import QueryError, Summary, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

READ_ONLY, UNKNOWN = "READ_ONLY", "UNKNOWN"  # Of chdb's classes of statements; the others are MUTATING, CONTROL, ….

# A free text that ends up in system.processes and query_log; only Redis' and NATS' tables ever look at it.
_TAG = "stream_like_engine_insert_queue"
# chdb's defaults that are not a server's: bare expressions as statements, inserts that return before they are written.
_BASE = {"implicit_select": "0", "async_insert": "0"}

# Beside the engine run a broker and the apps: half the memory is its own; caches grow to these sizes at most.
_CONFIG = """<clickhouse>
  <max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>
  <mark_cache_size>268435456</mark_cache_size>
  <query_log>
    <database>system</database>
    <table>query_log</table>
    <flush_interval_milliseconds>7500</flush_interval_milliseconds>
    <ttl>event_date + INTERVAL 90 DAY DELETE</ttl>
  </query_log>
  <backups>
    <allowed_path>{backups}</allowed_path>
  </backups>{users}
</clickhouse>
"""


@dataclass(frozen=True)
class Kind:
    """What the engine's own parser says of a text: its class, and how many statements it holds."""

    name: str
    statements: int


class Engine:
    """The engine over one data directory. A process can have one; other threads open connections of their own.

    backups: the only directory that BACKUP and RESTORE may use; a relative name is one below it. users_xml: the
    engine's users file, by default its own. With one there are roles, and the scalar function `file`, which reads any
    file of this machine and which no grant refuses, reads none.
    """

    def __init__(self, data_dir: Path, backups: Path, users_xml: str = "") -> None:
        os.environ["TZ"] = "UTC"  # Before the engine loads: it takes the host's zone and ignores its own setting.
        import chdb  # noqa: PLC0415 - 500 MB that only the server's process is to load

        data_dir.mkdir(parents=True, exist_ok=True)
        config = data_dir / "config.xml"
        users = data_dir / "users.xml"
        if users_xml:
            users.write_text(users_xml, encoding="utf-8")
        named = f"\n  <users_config>{users}</users_config>" if users_xml else ""
        config.write_text(_CONFIG.format(backups=escape(str(backups)), users=named), encoding="utf-8")
        self._connect = chdb.connect
        self._address = f"{data_dir / 'engine'}?config-file={config}"
        with _engine_errors():
            self._keeper = self._connect(self._address)  # While one is open the engine stays.
        with contextlib.closing(self.open()) as connection:
            text, _ = connection.command(b"SELECT version(), timezone()", "TSV")
            names, _ = connection.command(b"SELECT lower(name) FROM system.table_functions", "TSV")
        self.version, self.timezone = text.decode().split()
        self.table_functions = frozenset(names.decode().split())
        if users_xml:
            chdb.create_function("file", _no_file, ["String"], "String")

    def open(self) -> Connection:
        """Return a fresh connection (0.2 ms)."""
        with _engine_errors():
            return Connection(self._connect(self._address))

    def kill(self, tag: str) -> None:
        """Ask the statement with this tag to end; returns at once, also if there is none."""
        with contextlib.closing(self.open()) as connection:
            connection.command(b"KILL QUERY WHERE Settings['%b'] = %b ASYNC" % (_TAG.encode(), _quoted(tag)), "Null")

    def close(self) -> None:
        """End the engine, once all connections are closed."""
        self._keeper.close()


class Connection:
    """One connection: its settings, current database and temporary tables are its own."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._changed: set[str] = set()

    def reset(self) -> None:
        """Undo `configure` and `use`, for a connection that serves on; a SET of the same settings too."""
        assignments = b", ".join(b"%b = DEFAULT" % name.encode() for name in sorted(self._changed))
        self.command(b"SET " + assignments, "Null")
        self._changed.clear()
        self.use("default")

    def configure(self, settings: Mapping[str, str], parameters: Mapping[str, str], tag: str) -> None:
        """Put these settings and query parameters in force until the end of the connection, or `reset`.

        Raises QueryError for a setting that does not exist or does not take its value.
        """
        for name in (*settings, *parameters):
            if not name.isidentifier():
                raise refusal(115, "UNKNOWN_SETTING", f"Unknown setting {name!r}")
        wanted = _BASE | dict(settings) | {_TAG: tag}
        assignments = [b"%b = %b" % (name.encode(), _quoted(value)) for name, value in wanted.items()]
        assignments += [b"param_%b = %b" % (name.encode(), _quoted(value)) for name, value in parameters.items()]
        self._changed |= wanted.keys()
        self.command(b"SET " + b", ".join(assignments), "Null")

    def take_role(self, role: str) -> None:
        """Give up every right but those of a role of the users file, until the end of the connection."""
        self.command(b"SET ROLE %b" % _identifier(role), "Null")

    def only_read(self) -> None:
        """Let nothing be written any more, until the end of the connection.

        Not 1, under which clients believe that they may not send a setting either: `guard` lets no statement set one.
        """
        self.command(b"SET readonly = 2", "Null")

    def use(self, database: str) -> None:
        """Make a database the current one. Raises QueryError if it does not exist."""
        self.command(b"USE `%b`" % database.replace("\\", "\\\\").replace("`", "\\`").encode(), "Null")

    def kind(self, statement: bytes) -> Kind:
        """Return the class of a statement. UNKNOWN and 0 for what does not parse: then `refuse` says why."""
        found = self._raw._conn.classify_query(statement)
        return Kind(found["query_class"].name, found["statement_count"])

    def refuse(self, statement: bytes) -> QueryError:
        """Return why a statement of kind UNKNOWN does not parse; it is not run, nor a part of it."""
        try:
            self._raw.send_query(statement, "Null").cancel()  # Refuses several statements, and all but SELECT.
        except RuntimeError as error:
            return QueryError(str(error))
        return refusal(62, "SYNTAX_ERROR", "Syntax error: the statement is not understood")

    def read(self, statement: bytes, output_format: str, tail: bytes, descriptor: int) -> Summary:
        """Run a SELECT without its FORMAT clause and write the result to a file descriptor.

        tail: SETTINGS …, or nothing. If it raises QueryError, a part may have been written.
        """
        to = b"\nINTO OUTFILE '/dev/fd/%d' APPEND FORMAT %b %b" % (descriptor, _identifier(output_format), tail)
        _, summary = self.command(statement + to, "Null")
        return summary

    def command(self, statement: bytes, output_format: str) -> tuple[bytes, Summary]:
        """Run any one statement and return its result whole: for statements whose result is small, or none."""
        with _engine_errors():
            result = self._raw.query(statement, output_format)
            return bytes(result.bytes()), Summary(
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
                written_rows=result.rows_written(),
                written_bytes=result.bytes_written(),
                total_rows_to_read=result.storage_rows_read(),
                result_rows=result.rows_read(),
                result_bytes=result.bytes_read(),
                elapsed_ns=int(result.elapsed() * 1e9),
            )

    def insert(self, head: bytes, input_format: str, data: Iterable[bytes]) -> Summary:
        """Insert the data, in bounded memory. head: the INSERT up to where FORMAT or VALUES stands.

        If data raises, nothing more is written; of an insert of more than one block (1,048,449 rows) the first may be.
        """
        with _engine_errors(), self._raw.send_insert(head, input_format) as insert:
            for piece in data:
                insert.append(piece)
            done = insert.finish()
        return Summary(
            written_rows=done.rows_written,
            written_bytes=done.bytes_written,
            result_rows=done.rows_written,
            result_bytes=done.bytes_written,
            elapsed_ns=int(done.elapsed * 1e9),
        )

    def close(self) -> None:
        """Close it; may be called again."""
        self._raw.close()


def _no_file(path: str) -> str:  # noqa: ARG001 - as many as the function that it stands before
    return ""


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise QueryError(str(error)) from error


def _quoted(text: str) -> bytes:
    r"""Return an SQL string.

    >>> _quoted("it's a \\")
    b"'it\\'s a \\\\'"
    """
    return b"'%b'" % text.encode(errors="surrogateescape").replace(b"\\", b"\\\\").replace(b"'", b"\\'")


def _identifier(name: str) -> bytes:
    if not name.isidentifier():
        raise refusal(73, "UNKNOWN_FORMAT", f"Unknown format {name!r}")
    return name.encode()
