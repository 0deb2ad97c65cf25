"""What lasts from one request of a session to the next, and what does not."""

from __future__ import annotations

import http.client
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.clickhouse
THREADS = "SELECT getSetting('max_threads')"


@pytest.fixture
def session() -> dict[str, str]:
    return {"session_id": uuid.uuid4().hex}


def test_setting_of_a_request_ends_with_it(ask: Callable[..., Any], session: dict[str, str]) -> None:
    usual = ask(THREADS).body
    assert ask(THREADS, max_threads="7").body == b"7\n"
    assert ask(THREADS, max_threads="7", **session).body == b"7\n"
    assert ask(THREADS, **session).body == usual


def test_set_and_use_last_for_the_session_and_nobody_else(ask: Callable[..., Any], session: dict[str, str]) -> None:
    ask("SET max_threads = 5", **session)
    ask("USE system", **session)
    assert ask(THREADS, **session).body == b"5\n"
    assert ask("SELECT currentDatabase()", **session).body == b"system\n"
    assert ask(THREADS, max_threads="7", **session).body == b"7\n"
    assert ask(THREADS, **session).body == b"5\n"
    assert ask(THREADS).body != b"5\n"


def test_temporary_table_lasts_for_the_session_and_settings_do_not_leak_beside_it(
    ask: Callable[..., Any], session: dict[str, str]
) -> None:
    usual = ask(THREADS).body
    assert ask("CREATE TEMPORARY TABLE debtors (iin String)", **session).status == 200
    assert ask("INSERT INTO debtors FORMAT CSV", b"900101300007\n", max_threads="3", **session).status == 200
    assert ask("SELECT count() FROM debtors", database="system", **session).body == b"1\n"
    assert ask(THREADS, **session).body == usual
    assert ask("SELECT currentDatabase()", **session).body == b"default\n"
    ask("SET max_threads = 5", **session)
    assert ask(THREADS, max_threads="7", **session).body == b"7\n"
    assert ask(THREADS, **session).body == b"5\n"
    assert ask("SELECT count() FROM debtors", **session).body == b"1\n"
    assert ask("SELECT count() FROM debtors").code == "60"


def test_error_in_a_session_does_not_spoil_its_next_answer(ask: Callable[..., Any], session: dict[str, str]) -> None:
    """The engine keeps what a failed `query` had written for the next one on the same connection."""
    ask("CREATE TEMPORARY TABLE debtors (iin String)", **session)
    failing = "SELECT throwIf(number = 1500) FROM numbers(2000) SETTINGS max_block_size = 1000"
    assert ask(failing, default_format="JSON", **session).code == "395"
    assert ask("SELECT 1", **session).body == b"1\n"


def test_session_of_a_client_serves_its_temporary_tables(client: Client) -> None:
    client.command("CREATE TEMPORARY TABLE restricted (iin String)")
    client.insert("restricted", [["900101300007"], ["061211600012"]], column_names=["iin"])
    assert client.query("SELECT count() FROM restricted").result_rows == [(2,)]


def test_session_must_exist_if_the_client_says_so(ask: Callable[..., Any], session: dict[str, str]) -> None:
    assert (
        ask("SELECT 1", session_check="1", **session).status,
        ask("SELECT 1", session_check="1", **session).code,
    ) == (500, "372")
    ask("SELECT 1", **session)
    assert ask("SELECT 1", session_check="1", **session).body == b"1\n"


def test_session_is_forgotten_after_its_time(
    ask: Callable[..., Any], session: dict[str, str], until: Callable[..., None]
) -> None:
    ask("CREATE TEMPORARY TABLE debtors (iin String)", session_timeout="1", **session)
    until(lambda: ask("SELECT 1", session_check="1", session_timeout="0", **session).code == "372")


def test_session_serves_one_request_at_a_time(
    ask: Callable[..., Any],
    session: dict[str, str],
    connect: Callable[[], http.client.HTTPConnection],
    running: Callable[[str], int],
    until: Callable[..., None],
) -> None:
    slow = connect()
    endless = b"SELECT count() FROM numbers(10000000000000) WHERE NOT ignore(murmurHash3_64(number))"
    slow.request("POST", f"/?session_id={session['session_id']}", body=endless)
    until(lambda: running("murmurHash3") == 1)
    assert ask("SELECT 1", **session).code == "373"
    slow.close()
    until(lambda: ask("SELECT 1", **session).body == b"1\n")
