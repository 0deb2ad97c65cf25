"""The interface through unmodified clients: clickhouse-connect, and plain HTTP as curl sends it."""

from __future__ import annotations

import gc
import gzip
import http.client
import io
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import fastavro
import lz4.frame
import pandas as pd
import polars as pl
import psutil
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
ROWS = [(number, f"w{number}") for number in range(1, 2_001)]
COLUMNS = ["sequence", "wager_id"]
FRAME = pl.DataFrame(ROWS, schema=COLUMNS, orient="row")
SLOW = "SELECT count() FROM numbers(10000000000000) WHERE NOT ignore(sipHash64(number))"  # For hours.


def rows_of(client: Client, table: str) -> list[Any]:
    return list(client.query(f"SELECT * FROM {table} ORDER BY sequence").result_rows)


def encoded(fmt: str) -> bytes:
    stream = io.BytesIO()
    if fmt == "CSV":
        return FRAME.write_csv(include_header=False).encode()
    if fmt == "Avro":
        fields = [{"name": "sequence", "type": "long"}, {"name": "wager_id", "type": "string"}]
        fastavro.writer(stream, {"type": "record", "name": "Wager", "fields": fields}, FRAME.to_dicts())
        return stream.getvalue()
    table = FRAME.to_arrow()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


PACKED: dict[str | None, Callable[[bytes], bytes]] = {None: bytes, "gzip": gzip.compress, "lz4": lz4.frame.compress}


@pytest.mark.parametrize("fmt", ["ArrowStream", "Avro", "CSV"])
@pytest.mark.parametrize("compression", [None, "gzip", "lz4"])
def test_raw_insert_stores_exactly_the_rows(client: Client, table: str, fmt: str, compression: str | None) -> None:
    body = PACKED[compression](encoded(fmt))
    summary = client.raw_insert(table, COLUMNS, body, fmt=fmt, compression=compression)
    assert summary.written_rows == len(ROWS)
    assert rows_of(client, table) == ROWS


def test_every_way_of_inserting_stores_the_same(client: Client, table: str) -> None:
    ways: list[Callable[[], Any]] = [
        lambda: client.insert(table, ROWS, column_names=COLUMNS),
        lambda: client.insert_arrow(table, FRAME.to_arrow()),
        lambda: client.insert_df(table, pd.DataFrame(ROWS, columns=COLUMNS)),
        lambda: client.raw_insert(
            table, COLUMNS, (encoded("CSV")[at : at + 99] for at in range(0, 99_999, 99)), fmt="CSV"
        ),
    ]
    for way in ways:
        assert way().written_rows == len(ROWS)
        assert rows_of(client, table) == ROWS
        client.command(f"TRUNCATE TABLE {table}")


def test_every_way_of_reading_gives_the_same(client: Client, table: str) -> None:
    client.insert(table, ROWS, column_names=COLUMNS)
    query = f"SELECT * FROM {table} ORDER BY sequence"
    assert pl.DataFrame(client.query_arrow(query, use_strings=True)).rows() == ROWS
    assert [tuple(row) for row in client.query_df(query).itertuples(index=False)] == ROWS
    assert client.raw_query(query, fmt="CSV").decode() == FRAME.write_csv(
        include_header=False, quote_style="non_numeric"
    )
    with client.query_row_block_stream(query, settings={"max_block_size": 500}) as blocks:
        assert [tuple(row) for block in blocks for row in block] == ROWS
    with client.query_arrow_stream(query, settings={"max_block_size": 500}) as batches:
        assert pl.concat([pl.DataFrame(batch) for batch in batches])["sequence"].to_list() == [row[0] for row in ROWS]


def test_empty_result_has_its_columns(client: Client, ask: Callable[..., Any]) -> None:
    assert client.query("SELECT 1 AS stake_tiyn, 'w' AS wager_id LIMIT 0").column_names == ("stake_tiyn", "wager_id")
    assert ask("SELECT 1 AS stake_tiyn LIMIT 0 FORMAT CSVWithNames").body == b'"stake_tiyn"\n'
    assert client.query_arrow("SELECT 1 AS stake_tiyn LIMIT 0").schema.names == ["stake_tiyn"]


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"]))), max_size=30
    )
)
def test_any_rows_come_back_as_they_went(client: Client, table: str, rows: list[tuple[int, str]]) -> None:
    client.command(f"TRUNCATE TABLE {table}")
    if rows:
        client.insert(table, rows, column_names=COLUMNS)
    assert sorted(rows_of(client, table)) == sorted(rows)


@pytest.mark.parametrize(("accept", "unpack"), [("gzip", gzip.decompress), ("lz4", lz4.frame.decompress)])
def test_result_is_compressed_if_the_client_takes_it(
    ask: Callable[..., Any], accept: str, unpack: Callable[..., bytes]
) -> None:
    for rows in 10, 2_000_000:  # In one piece, and as it comes.
        plain = ask(f"SELECT number FROM numbers({rows})").body
        packed = ask(f"SELECT number FROM numbers({rows})", headers={"Accept-Encoding": accept})
        assert packed.headers["Content-Encoding"] == accept
        assert unpack(packed.body) == plain
    assert (
        "Content-Encoding"
        not in ask("SELECT 1", headers={"Accept-Encoding": accept}, enable_http_compression="0").headers
    )


@pytest.mark.parametrize("fmt", ["JSON", "TSVWithNames", "Parquet", "XML", "ArrowStream"])
def test_large_result_in_any_format_is_one_document(ask: Callable[..., Any], fmt: str) -> None:
    """No repeated headers between blocks: the same as the engine writes in one go with one block."""
    query = f"SELECT number, toString(number) AS s FROM numbers(200000) FORMAT {fmt}"
    if fmt == "JSON":
        assert len(json.loads(ask(query).body)["data"]) == 200_000
    elif fmt == "Parquet":
        assert pl.read_parquet(ask(query).body).height == 200_000
    elif fmt == "ArrowStream":
        assert pa.ipc.open_stream(ask(query).body).read_all().num_rows == 200_000
    else:
        assert ask(query).body.count(b"number") == {"TSVWithNames": 1, "XML": 400_001}[fmt]


def test_summary_says_what_was_read_and_written(ask: Callable[..., Any], table: str) -> None:
    written = json.loads(ask(f"INSERT INTO {table} FORMAT CSV", encoded("CSV")).headers["X-ClickHouse-Summary"])
    assert written["written_rows"] == "2000"
    read = json.loads(ask(f"SELECT * FROM {table} WHERE sequence < 11").headers["X-ClickHouse-Summary"])
    assert (read["read_rows"], read["result_rows"]) == ("2000", "10")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("SELECT * FROM ledger_of_nobody", 404, "60"),
        ("SELECT nothing", 404, "47"),
        ("SELEC 1", 400, "62"),
        ("SELECT 1 FORMAT Nonsense", 404, "73"),
        ("SELECT throwIf(number = 5) FROM numbers(10)", 500, "395"),
        ("SELECT throwIf(number = 5) FROM numbers(10) FORMAT JSON", 500, "395"),
    ],
)
def test_error_has_status_code_and_text_and_nothing_of_a_result(
    ask: Callable[..., Any], query: str, status: int, code: str
) -> None:
    answer = ask(query)
    assert (answer.status, answer.code) == (status, code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_error_is_plain_text_also_for_a_client_that_would_take_the_result_packed(ask: Callable[..., Any]) -> None:
    """A part of the JSON had been written when it failed; nothing of it, of its type or packing, is left."""
    query = "SELECT throwIf(number = 1500) FROM numbers(2000) SETTINGS max_block_size = 1000 FORMAT JSON"
    answer = ask(query, headers={"Accept-Encoding": "gzip, lz4"})
    assert answer.text.startswith("Code: 395.")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "Content-Encoding" not in answer.headers


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # The client leaves a cut connection open.
def test_error_after_the_first_megabyte_ends_the_body_and_names_itself(
    client: Client, ask: Callable[..., Any], clickhouse: ClickHouseServer
) -> None:
    query = "SELECT number, throwIf(number = 900000) FROM numbers(1000000)"
    assert ask(query, wait_end_of_query="1").status == 500
    for compress in (False, True):
        reader = clickhouse_connect.get_client(dsn=clickhouse.url, compress=compress)
        with pytest.raises(StreamFailureError, match="395"), reader.query_row_block_stream(query) as blocks:
            assert sum(len(block) for block in blocks) < 900_000
        reader.close()
    gc.collect()
    if curl := shutil.which("curl"):
        cut = subprocess.run([curl, "-sS", clickhouse.url, "-d", query], capture_output=True, timeout=30, check=False)
        assert (cut.returncode, b"__exception__" in cut.stdout[-600:]) == (18, True), "the transfer did not look cut"


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_asks_sends_and_reads(clickhouse: ClickHouseServer, table: str) -> None:
    def curl(*arguments: str, data: bytes = b"") -> bytes:
        done = subprocess.run(
            ["curl", "-sS", "--fail-with-body", *arguments], input=data, capture_output=True, timeout=30, check=True
        )
        return done.stdout

    assert curl(f"{clickhouse.url}/ping") == b"Ok.\n"
    assert curl(clickhouse.url) == b"Ok.\n"
    assert curl(f"{clickhouse.url}/?query=SELECT%201") == b"1\n"
    assert curl(clickhouse.url, "-d", "SELECT 1") == b"1\n"
    insert = f"{clickhouse.url}/?query=INSERT%20INTO%20{table}%20FORMAT%20CSV"
    assert (
        curl(insert, "-H", "Content-Encoding: gzip", "--data-binary", "@-", data=gzip.compress(encoded("CSV"))) == b""
    )
    assert curl(clickhouse.url, "--compressed", "-d", f"SELECT sum(sequence) FROM {table}") == b"2001000\n"
    assert curl("-u", "default:", clickhouse.url, "-d", "SELECT currentUser()") == b"default\n"


def test_ping_and_page_are_there(ask: Callable[..., Any]) -> None:
    assert ask(path="/ping", method="GET").body == b"Ok.\n"
    assert ask(path="/replicas_status", method="GET").body == b"Ok.\n"
    page = ask(path="/play", method="GET")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"<title>ClickHouse Query</title>" in page.body
    assert page.body.rstrip().endswith(b"</html>")


def test_large_bodies_pass_both_ways_in_bounded_memory(
    connect: Callable[[], http.client.HTTPConnection], clickhouse: ClickHouseServer
) -> None:
    """180 MB go in and 190 MB come out, through a process that keeps neither."""
    process = psutil.Process(clickhouse.pid)
    connection = connect()
    line = b"1234567890123456789\n" * 50_000
    before = process.memory_info().rss
    connection.request(
        "POST",
        "/?query=INSERT+INTO+FUNCTION+null('x+UInt64')+FORMAT+TSV",
        body=iter([line] * 180),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    most = before
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    most = max(most, process.memory_info().rss)
    connection.request("POST", "/", body=b"SELECT number FROM numbers(20000000)")
    answer, length = connection.getresponse(), 0
    while piece := answer.read(1024 * 1024):
        length += len(piece)
        most = max(most, process.memory_info().rss)
    assert length == 168_888_890
    assert most - before < 120e6


def test_select_of_a_client_that_goes_away_is_ended(
    ask: Callable[..., Any],
    connect: Callable[[], http.client.HTTPConnection],
    running: Callable[[str], int],
    until: Callable[..., None],
) -> None:
    before_answer = connect()
    before_answer.request("POST", "/", body=(SLOW + " AND number != 4711").encode())
    in_answer = connect()
    in_answer.request("POST", "/", body=b"SELECT number + 4711 FROM numbers(1000000000000)")
    answer = in_answer.getresponse()
    assert answer.read(100)
    until(lambda: running("4711") == 2)
    before_answer.close()
    answer.close()
    in_answer.close()
    until(lambda: running("4711") == 0, 5)


def test_insert_whose_body_breaks_off_stores_nothing(
    ask: Callable[..., Any],
    clickhouse: ClickHouseServer,
    table: str,
    running: Callable[[str], int],
    until: Callable[..., None],
) -> None:
    data = encoded("CSV")
    head = f"POST /?query=INSERT+INTO+{table}+FORMAT+CSV HTTP/1.1\r\nHost: esep\r\n"
    whole_lines = data[: data.rindex(b"\n", 0, 9_000) + 1]
    for more in (
        f"Content-Length: {len(data)}\r\n\r\n".encode(),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(data),
    ):
        with socket.create_connection(("127.0.0.1", clickhouse.port)) as broken:
            broken.sendall(head.encode() + more + whole_lines)
            until(lambda: running(table) == 1)
        until(lambda: running(table) == 0)
    assert ask(f"SELECT count() FROM {table}").body == b"0\n"
    assert ask(f"INSERT INTO {table} FORMAT CSV", data).status == 200
    assert ask(f"SELECT count() FROM {table}").body == b"2000\n"


def test_inserts_pass_while_a_long_query_runs(
    ask: Callable[..., Any],
    connect: Callable[[], http.client.HTTPConnection],
    running: Callable[[str], int],
    table: str,
) -> None:
    slow = connect()
    slow.request("POST", "/", body=SLOW.encode())
    started = time.monotonic()
    for _ in range(5):
        assert ask(f"INSERT INTO {table} FORMAT CSV", encoded("CSV")).status == 200
    assert time.monotonic() - started < 10
    assert running("sipHash64") == 1
    slow.close()


def test_more_queries_than_places_wait_and_are_all_answered(ask: Callable[..., Any]) -> None:
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(lambda number: ask(f"SELECT {number} + sleep(0.05)"), range(40)))
    assert [answer.text for answer in answers] == [f"{number}\n" for number in range(40)]


def test_query_id_in_use_is_refused(
    ask: Callable[..., Any],
    connect: Callable[[], http.client.HTTPConnection],
    running: Callable[[str], int],
    until: Callable[..., None],
) -> None:
    slow = connect()
    slow.request("POST", "/?query_id=totals-1", body=SLOW.encode())
    until(lambda: running("sipHash64") == 1)
    assert ask("SELECT 1", query_id="totals-1").code == "216"
    slow.close()
    until(lambda: ask("SELECT 1", query_id="totals-1").body == b"1\n")


def test_external_data_are_refused_with_what_to_do(client: Client) -> None:
    from clickhouse_connect.driver.external import ExternalData

    data = ExternalData(file_name="debtors", fmt="CSV", types=["String"], data=b"900101300007\n")
    with pytest.raises(DatabaseError, match="make a temporary table"):
        client.query("SELECT * FROM debtors", external_data=data)
