"""ClickHouse on one machine: its engine behind its own HTTP interface, in a process that owns one data directory.

server.py     starts, asks and stops the process; the only module that others need
__main__.py   the process: one owner per directory, SIGTERM
http.py       requests and responses; request.py reads the one, answers.py says how the other looks
job.py        one request's work, in a thread; bridge.py and coding.py bring its bytes in and out
statement.py  where the data of an INSERT begin, which format a SELECT asks for
sessions.py   what a session keeps: settings, temporary tables
users.py      who may ask
engine.py     the engine in this process, and what is known of it
"""

from esep.embedded.clickhouse.server import ClickHouseServer

__all__ = ["ClickHouseServer"]
