"""One way to get a client of ClickHouse, and what its errors mean to us.

Reads     `Settings`: URL, database, user, password
Returns   a clickhouse-connect client; for each error of its the one of ours that says what to do
Promises  no session is kept on the server unless one is asked for, and inserts are synchronous, so that a request means
          the same at any time; no error passes on a text of the server's, which may quote a person's data
          (box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.errors import EsepError, InvariantBroken, SettingInvalid, SinkUnavailable

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings

CONNECT_S_MAX = 5  # A server in the same network accepts at once or not at all.
ANSWER_S_MAX = 60  # An insert of a full batch takes a second; a server that merges hard may take many.
LONG_S_MAX = 6 * 3600  # To go through a ledger of years once; such a request says nothing until it is done.
TRANSIENT_CODES = {  # Want of resources, time or peers, which passes (names: ClickHouse's ErrorCodes.cpp).
    3: "UNEXPECTED_END_OF_FILE",
    159: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",
    201: "QUOTA_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    285: "TOO_FEW_LIVE_REPLICAS",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    999: "KEEPER_EXCEPTION",
}
_MISSING_CODES = {60: "UNKNOWN_TABLE", 81: "UNKNOWN_DATABASE"}
_REFUSED_CODES = {192: "UNKNOWN_USER", 193: "WRONG_PASSWORD", 194: "REQUIRED_PASSWORD", 516: "AUTHENTICATION_FAILED"}


def connect(
    settings: Settings, *, database: str | None = None, answer_s_max: int = ANSWER_S_MAX, session_id: str | None = None
) -> Client:
    """Return a client of the server and database that the settings name.

    database: another database than the settings' (migrations begin before theirs exists).
    answer_s_max: how long a request may take. session_id: of a session, which keeps temporary tables between requests.
    Raises SinkUnavailable if nobody answers, SettingInvalid if the database is missing or the user is refused.
    """
    try:
        return clickhouse_connect.get_client(
            dsn=settings.clickhouse_url,
            database=database or settings.clickhouse_database,
            username=settings.clickhouse_user,
            password=settings.clickhouse_password,
            autogenerate_session_id=False,
            session_id=session_id,
            compress=False,
            connect_timeout=CONNECT_S_MAX,
            send_receive_timeout=answer_s_max,
            query_retries=0,
            settings={"async_insert": 0},
        )
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error


def translate(error: DatabaseError, what: str) -> EsepError:
    """Return the error of ours for one of clickhouse-connect; what: who was asked, as the subject of a sentence."""
    code = error.code or 0
    if code == 0 or code in TRANSIENT_CODES:  # Without a code nobody knows what became of the request.
        return SinkUnavailable(
            f"{what} did not answer in time",
            detail=TRANSIENT_CODES.get(code) or type(error.__cause__ or error).__name__,
            hint="see that it runs and that ESEP_CLICKHOUSE_URL names it",
        )
    if code in _MISSING_CODES:
        return SettingInvalid(f"{what} lacks a table", detail=_MISSING_CODES[code], hint="run `esep migrate`")
    if code in _REFUSED_CODES:
        return SettingInvalid(
            f"{what} refuses the user",
            detail=_REFUSED_CODES[code],
            hint="set ESEP_CLICKHOUSE_USER and ESEP_CLICKHOUSE_PASSWORD_FILE",
        )
    return InvariantBroken(f"{what} refuses what it was asked", detail=f"error {code} {error.name or ''}".rstrip())
