"""Requests of organizers to a gateway in front of a real broker: clause O114-3, the way by HTTPS."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import logging
import select
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from esep.certificates import make_broker_certificate, make_ca
from esep.codec import decode_one
from esep.embedded.kafka import KafkaBroker
from esep.gateway.body import EVENTS, MESSAGES
from esep.gateway.http import Limits
from esep.gateway.sessions import Sessions
from esep.schemas import schema
from esep.topics import events_topic
from tests.gateway.served import Served, served
from tests.gateway.test_body import as_json, body_of, lines_of
from tests.producers.fake_intake import make_topics, read_events
from tests.producers.test_receipt_reader import Writer
from tests.stream_apps.intake.made_up import IIN, NOW, Line, Message, batch, message, source_of, wager
from tests.support.secured import OTHER, OURS, SPARE, Secured

pytestmark = pytest.mark.kafka
SMALL = Limits(body_bytes_max=64 * 1024, events_max=3, requests_max=3, organizer_requests_max=1, read_s=1.0)


@pytest.fixture
def plain(broker: KafkaBroker) -> Iterator[Served]:
    with served(Sessions(broker.bootstrap_servers, None), replace(SMALL, events_max=200)) as port:
        yield Served(port)


def bets(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [as_json(wager(), sequence=number, **changes) for number in range(1, count + 1)]


def test_answer_names_the_place_of_each_event_on_the_organizer_s_topic(
    broker: KafkaBroker, plain: Served, organizer: str
) -> None:
    events = [*bets(20), *bets(20, stream_id="desk-1")]
    answer = plain.post(organizer, body_of(*events))
    assert (answer.status, answer.document["topic"]) == (202, events_topic(organizer)), answer.text
    lying = {(one.partition(), one.offset()): one for one in read_events(broker.bootstrap_servers, organizer, 40)}
    for event, place in zip(events, answer.document["events"], strict=True):
        record = decode_one(lying[place["partition"], place["offset"]].value(), schema("wager"))
        assert record["organizer_bin"] == organizer
        assert (record["stream_id"], record["sequence"]) == (event["stream_id"], event["sequence"])


def test_one_bad_event_keeps_all_out_and_is_named_without_its_values(
    broker: KafkaBroker, plain: Served, organizer: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="esep"):
        good, bad = bets(3), as_json(wager(), occurred_at=IIN)
        answer = plain.ask("POST", "/v1/events?lang=kk", organizer, "", body_of(*good, bad))
        assert answer.status == 400
        assert answer.document["error"] | {"text": ""} == {
            "code": "EVENT_UNREADABLE", "place": 3, "field": "occurred_at", "text": "",
        }  # fmt: skip
        spoilt = lines_of((b"desk-0", b"\x00\x00\x00\x03\xe9" + IIN.encode()))
        raw = plain.post(organizer, spoilt, content_type=MESSAGES)
        assert (raw.status, raw.code) == (400, "UNDECODABLE")
        assert plain.post(organizer, body_of(*good)).status == 202
    assert IIN not in answer.text + raw.text + caplog.text
    assert f"{organizer}: 3 events" in caplog.text
    assert len(read_events(broker.bootstrap_servers, organizer, 3)) == 3


def test_finished_messages_lie_as_they_are(broker: KafkaBroker, plain: Served, organizer: str) -> None:
    pairs = [(b"desk-0", message(wager(organizer_bin=organizer, sequence=n)).value or b"") for n in range(1, 6)]
    assert plain.post(organizer, lines_of(*pairs), content_type=MESSAGES).status == 202
    lying = read_events(broker.bootstrap_servers, organizer, 5)
    assert [(one.key(), one.value()) for one in lying] == pairs


def test_receipts_are_given_from_an_offset_on(broker: KafkaBroker, plain: Served, organizer: str) -> None:
    Writer(broker.bootstrap_servers, organizer).write(1, 2, 3)
    first = plain.ask("GET", "/v1/receipts?partition=0&from_offset=0", organizer).document
    assert [one["offset"] for one in first["receipts"]] == [0, 1, 2]
    content = decode_one(base64.b64decode(first["receipts"][2]["value"]), schema("receipt"))
    assert (content["organizer_bin"], content["through_offset"]) == (organizer, 3)
    rest = plain.ask("GET", f"/v1/receipts?from_offset={first['next_offset']}", organizer).document
    assert (rest["receipts"], rest["next_offset"]) == ([], first["next_offset"])


@pytest.mark.parametrize(
    "query",
    ["partition=x", "partition=7", "from_offset=-1", "from_offset=1.5", f"from_offset={2**63}", "partition=%D9%A3"],
)
def test_parameter_that_makes_no_sense_is_refused(plain: Served, organizer: str, query: str) -> None:
    answer = plain.ask("GET", f"/v1/receipts?{query}", organizer)
    assert (answer.status, answer.code) == (400, "PARAMETER_INVALID")


def test_size_number_and_kind_of_a_body_are_bounded(plain: Served, organizer: str) -> None:
    assert plain.post(organizer, bytes(SMALL.body_bytes_max + 1)).code == "BODY_TOO_LARGE"
    assert plain.post(organizer, b"[" + b"1," * 200 + b"1]").code == "BATCH_TOO_LARGE"
    assert plain.post(organizer, b"[]").code == "BATCH_EMPTY"
    assert (answer := plain.post(organizer, b"a,b\n", content_type="text/csv")).code == "TYPE_UNKNOWN"
    assert answer.status == 415
    assert plain.ask("GET", "/v1/events", organizer).status == 405
    assert plain.ask("GET", "/nosuch").status == 404


def test_packed_body_is_bounded_as_it_is_unpacked(plain: Served, organizer: str) -> None:
    packed = {"good": gzip.compress(body_of(*bets(3))), "bomb": gzip.compress(bytes(50 * SMALL.body_bytes_max))}
    statuses = {}
    for name, body in packed.items():
        connection = plain.connection()
        token = base64.b64encode(f"{organizer}:".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": EVENTS, "Content-Encoding": "gzip"}
        connection.request("POST", "/v1/events", body, headers)
        answer = connection.getresponse()
        statuses[name] = answer.status
        answer.read()
        connection.close()
    assert statuses == {"good": 202, "bomb": 413}


def dawdle(plain: Served, organizer: str) -> http.client.HTTPConnection:
    """Begin a request whose body does not come."""
    connection = plain.connection()
    token = base64.b64encode(f"{organizer}:".encode()).decode()
    connection.putrequest("POST", "/v1/events")
    connection.putheader("Authorization", f"Basic {token}")
    connection.putheader("Content-Type", EVENTS)
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"[")
    return connection


def test_slow_body_ends_and_keeps_no_place(plain: Served, organizer: str) -> None:
    """One of this organizer's requests at a time: while it dawdles a second is told to come later, then it may."""
    plain.post(organizer, b"[]")  # The session is open from here on.
    with contextlib.ExitStack() as open_until_the_end:
        while True:
            connection = open_until_the_end.enter_context(contextlib.closing(dawdle(plain, organizer)))
            answer = plain.post(organizer, b"[]")
            while answer.code != "BUSY" and not select.select([connection.sock], [], [], 0.02)[0]:
                answer = plain.post(organizer, b"[]")
            if answer.code == "BUSY":
                break  # Else this one was in the way of that one, which was told to come later.
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        slow = connection.getresponse()
        assert (slow.status, json.loads(slow.read())["error"]["code"]) == (408, "REQUEST_TOO_SLOW")
    assert plain.post(organizer, body_of(*bets(1))).status == 202


def test_no_more_requests_at_once_than_there_are_places(secured: Secured) -> None:
    sessions = Sessions(secured.servers, secured.files.ca_file.read_text())
    held, entered = threading.Event(), threading.Semaphore(0)
    open_session = sessions.open

    def slow(user: str, password: str) -> Any:
        entered.release()
        assert held.wait(30)
        return open_session(user, password)

    sessions.open = slow  # type: ignore[method-assign]
    with served(sessions, replace(SMALL, requests_max=1)) as port:
        gateway, codes = Served(port), []
        first = threading.Thread(target=lambda: codes.append(gateway.post(OURS, b"[]", secured.passwords[OURS]).code))
        first.start()
        assert entered.acquire(timeout=30)
        answer = gateway.post(OURS, b"[]", secured.passwords[OURS])
        assert (answer.status, answer.code) == (503, "BUSY")
        assert gateway.ask("GET", "/health").status == 200, "which needs no place"
        held.set()
        first.join(30)
        assert codes == ["BATCH_EMPTY"]


def test_fault_of_the_gateway_says_nothing_of_an_event(
    plain: Served, organizer: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"on {IIN}")

    monkeypatch.setattr("esep.gateway.http.messages_of", broken)
    answer = plain.post(organizer, body_of(*bets(1)))
    assert (answer.status, answer.code) == (500, "FAULT")
    assert "RuntimeError" in caplog.text
    assert IIN not in answer.text + caplog.text


def test_health_says_whether_a_broker_can_be_reached(plain: Served) -> None:
    assert (plain.ask("GET", "/health").status, plain.ask("GET", "/health").document) == (200, {"status": "ok"})
    with served(Sessions("127.0.0.1:1", None)) as port:
        assert Served(port).ask("GET", "/health").status == 503


# --- Who may what


def test_organizer_gets_at_its_own_topics_and_nobody_else_s_over_tls(secured: Secured, tmp_path: Path) -> None:
    """Clause O9-4.2: name and password are those of Kafka, and the broker itself decides."""
    authority = make_ca(datetime.now(UTC))
    issued = make_broker_certificate(authority, ["127.0.0.1"], datetime.now(UTC))
    (tmp_path / "gateway.pem").write_text(issued.certificate + issued.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "gateway.pem")
    trusted = ssl.create_default_context(cadata=authority.certificate)
    with served(Sessions(secured.servers, secured.files.ca_file.read_text()), tls=tls) as port:
        gateway = Served(port, trusted)
        for bin_ in (OURS, OTHER):
            answer = gateway.post(bin_, body_of(*bets(2)), secured.passwords[bin_])
            assert (answer.status, answer.document["topic"]) == (202, events_topic(bin_)), answer.text
            receipts = gateway.ask("GET", "/v1/receipts", bin_, secured.passwords[bin_])
            assert (receipts.status, receipts.document["topic"]) == (200, f"organizer.{bin_}.receipts")
        for user, password in [(OURS, secured.passwords[OTHER]), (OURS, ""), ("admin", "x"), ("", "")]:
            answer = gateway.post(user, body_of(*bets(1)), password)
            assert (answer.status, answer.code) == (401, "CREDENTIALS_REFUSED")
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        connection = gateway.connection()
        connection.request("GET", "/v1/receipts", headers={"Authorization": "Bearer x"})
        assert connection.getresponse().status == 401
        connection.close()


def test_organizer_that_is_shut_out_is_refused_though_its_session_is_open(secured: Secured) -> None:
    secured.passwords[SPARE] = secured.authority.issue(SPARE)
    with served(Sessions(secured.servers, secured.files.ca_file.read_text())) as port:
        gateway = Served(port)
        assert gateway.post(SPARE, body_of(*bets(1)), secured.passwords[SPARE]).status == 202
        secured.authority.revoke(SPARE)
        try:
            statuses = [gateway.post(SPARE, body_of(*bets(1)), secured.passwords[SPARE]).status for _ in range(2)]
            assert statuses[0] in {401, 403}
            assert statuses[1] in {401, 403}
        finally:
            secured.passwords[SPARE] = secured.authority.issue(SPARE)
        assert gateway.post(SPARE, body_of(*bets(1)), secured.passwords[SPARE]).status == 202


# --- Broker away


def test_broker_away_is_503_and_the_repetition_books_nothing_twice(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as own:
        organizer_bin = "940140000385"  # In the register of the tests of intake.
        make_topics(own.bootstrap_servers, organizer_bin)
        with served(Sessions(own.bootstrap_servers, None, deliver_s=2.0, login_s=1.0)) as port:
            gateway, body = Served(port), body_of(*bets(30))
            assert gateway.post(organizer_bin, body_of(*bets(1, stream_id="desk-1"))).status == 202
            own.pause()
            try:
                away = [gateway.post(organizer_bin, body) for _ in range(2)]
            finally:
                own.resume()
            assert [(one.status, one.code) for one in away] == [(503, "BROKER_UNAVAILABLE")] * 2
            assert all(int(one.headers["Retry-After"]) > 0 for one in away)
            answers = [gateway.post(organizer_bin, body)]
            while answers[-1].status != 202:
                assert answers[-1].code == "BROKER_UNAVAILABLE"
                assert len(answers) < 20
                answers.append(gateway.post(organizer_bin, body))
            places = answers[-1].document["events"]
        partition = places[0]["partition"]
        end = max(place["offset"] for place in places) + 1
        line = Line()
        lying = _lying(own.bootstrap_servers, organizer_bin, partition, end)
        line.poll(batch(source_of(organizer_bin, partition), lying))
        accepted = [record["sequence"] for record in line.records("accepted") if record["stream_id"] == "desk-0"]
        assert sorted(accepted) == list(range(1, 31))
        assert line.codes() == []


def _lying(servers: str, organizer_bin: str, partition: int, end: int) -> list[Message]:
    import confluent_kafka as ck

    consumer = ck.Consumer({"bootstrap.servers": servers, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([ck.TopicPartition(events_topic(organizer_bin), partition, 0)])
    messages: list[Message] = []
    for _ in range(100):
        messages += [Message(one.value(), one.key(), NOW) for one in consumer.consume(1000, 0.2)]
        if len(messages) >= end:
            break
    consumer.close()
    assert len(messages) >= end
    return messages
