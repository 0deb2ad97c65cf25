"""The server as a process: data and address survive, also a kill; it ends soon, whatever runs."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from pathlib import Path

import clickhouse_connect
import pytest

from esep.embedded.clickhouse import ClickHouseServer
from esep.errors import PartUnready, SettingInvalid, UsageError

pytestmark = pytest.mark.clickhouse
ROWS = 5_000
BATCH = "".join(f"{{batch}},{number}\n" for number in range(ROWS))


def send(server: ClickHouseServer, body: bytes, path: str = "/") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("POST", path, body=body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def write_until_it_dies(server: ClickHouseServer, writer: int, acknowledged: list[int]) -> None:
    for number in range(100_000):
        batch = writer * 100_000 + number
        try:
            status, _ = send(
                server, BATCH.replace("{batch}", str(batch)).encode(), "/?query=INSERT+INTO+bets+FORMAT+CSV"
            )
        except (OSError, http.client.HTTPException):
            return
        if status == 200:
            acknowledged.append(batch)


def test_acknowledged_inserts_survive_a_kill_whole_and_the_address_stays(tmp_path: Path) -> None:
    """Two writers insert until the process is killed under them. What was not acknowledged may be there, but whole."""
    acknowledged: list[int] = []
    with ClickHouseServer(tmp_path / "clickhouse data") as server:
        send(server, b"CREATE TABLE bets (batch Int64, id Int64) ENGINE = MergeTree ORDER BY id")
        writers = [threading.Thread(target=write_until_it_dies, args=(server, n, acknowledged)) for n in range(2)]
        for writer in writers:
            writer.start()
        time.sleep(1.5)
        server.kill()
        for writer in writers:
            writer.join()
        address = server.url
    assert len(acknowledged) > 5
    with ClickHouseServer(tmp_path / "clickhouse data") as again:
        assert again.url == address
        client = clickhouse_connect.get_client(dsn=again.url)
        counts = dict(client.query("SELECT batch, count() FROM bets GROUP BY batch").result_rows)
    assert set(acknowledged) <= counts.keys()
    assert set(counts.values()) == {ROWS}


def test_it_ends_soon_while_queries_run_and_clients_hang(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        slow = b"SELECT count() FROM numbers(10000000000000) WHERE NOT ignore(sipHash64(number))"
        statuses: list[int] = []
        asking = threading.Thread(target=lambda: statuses.append(send(server, slow)[0]))
        asking.start()
        hanging = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        hanging.request("POST", "/", body=b"SELECT number FROM numbers(10000000000)")
        begun = hanging.getresponse()
        begun.read(10)
        idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        idle.request("GET", "/ping")
        idle.getresponse().read()
        while send(server, b"SELECT count() FROM system.processes")[1] != b"3\n":
            time.sleep(0.05)
        started = time.monotonic()
        assert server.stop() == 0, "it had to be killed"
        assert time.monotonic() - started < 5
        asking.join()
        assert statuses == [500]
        begun.close()
        hanging.close()
        idle.close()


def test_insert_that_has_all_its_data_is_finished_before_the_end(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        slow = "waits UInt8 MATERIALIZED sleepEachRow(1)"
        send(server, f"CREATE TABLE bets (id Int64, {slow}) ENGINE = MergeTree ORDER BY id".encode())
        answers: list[tuple[int, bytes]] = []
        asking = threading.Thread(target=lambda: answers.append(send(server, b"INSERT INTO bets VALUES (7)")))
        asking.start()
        while send(server, b"SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'")[1] != b"1\n":
            time.sleep(0.02)
        server.stop()
        asking.join()
    with ClickHouseServer(tmp_path) as again:
        assert (answers, send(again, b"SELECT * FROM bets")) == ([(200, b"")], (200, b"7\n"))


def test_insert_that_has_not_all_its_data_is_refused_at_the_end_and_not_stored(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        send(server, b"CREATE TABLE bets (id Int64) ENGINE = MergeTree ORDER BY id")
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as half:
            half.sendall(
                b"POST /?query=INSERT+INTO+bets+FORMAT+CSV HTTP/1.1\r\nHost: esep\r\nContent-Length: 9\r\n\r\n1\n2\n"
            )
            while send(server, b"SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'")[1] != b"1\n":
                time.sleep(0.02)
            assert server.stop() == 0
            answer = b"".join(iter(lambda: half.recv(4096), b""))
        assert b"HTTP/1.1 500" in answer
        assert b"Code: 210" in answer
    with ClickHouseServer(tmp_path) as again:
        assert send(again, b"SELECT count() FROM bets") == (200, b"0\n")


def test_it_ends_soon_even_if_an_insert_does_not(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        slow = "waits UInt8 MATERIALIZED sleepEachRow(3)"
        send(server, f"CREATE TABLE bets (id Int64, {slow}) ENGINE = MergeTree ORDER BY id".encode())
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        rows = ",".join(f"({number})" for number in range(1, 4))
        connection.request(
            "POST", "/?function_sleep_max_microseconds_per_block=9000000", f"INSERT INTO bets VALUES {rows}"
        )
        while send(server, b"SELECT count() FROM system.processes WHERE query LIKE 'INSERT%'")[1] != b"1\n":
            time.sleep(0.02)
        started = time.monotonic()
        assert server.stop() == 0, "it had to be killed"
        assert time.monotonic() - started < 6
        connection.close()
    with ClickHouseServer(tmp_path) as again:
        assert send(again, b"SELECT count() IN (0, 3) FROM bets") == (200, b"1\n")


def test_second_process_on_one_directory_says_who_owns_it_and_ends(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as first:
        with pytest.raises(UsageError, match="runs already"):
            ClickHouseServer(tmp_path).start()
        (tmp_path / "server.pid").unlink()
        second = ClickHouseServer(tmp_path, first.port + 1)
        second.start()
        with pytest.raises(PartUnready, match=f"process {first.pid} owns it"):
            second.wait_ready()
        assert second.process.exit_code == 2
        assert send(first, b"SELECT 1") == (200, b"1\n")


def test_port_that_somebody_else_has_is_named(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path / "first") as first, pytest.raises(SettingInvalid, match=f"port {first.port} on"):
        ClickHouseServer(tmp_path / "second", first.port).start()


def test_directory_that_the_engine_would_misread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="cannot be used"):
        ClickHouseServer(tmp_path / "data?mode=ro")


def test_users_of_a_file_are_asked_for_their_passwords(tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    users.write_text(
        '{"loader": {"password_sha256": "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"}}'
    )
    with ClickHouseServer(tmp_path / "data", users_file=users) as server:
        client = clickhouse_connect.get_client(dsn=server.url, username="loader", password="password")
        assert client.command("SELECT 1") == 1
        assert send(server, b"SELECT 1")[0] == 401
