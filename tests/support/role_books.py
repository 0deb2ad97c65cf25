"""A ClickHouse whose users have roles, with postings of many persons, pseudonyms and the analysts' views.

Reads     the declaration of roles
Returns   `RoleBooks`: one server, a user of each role, what was booked
"""

from __future__ import annotations

import http.client
import json
import random
import urllib.parse
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import clickhouse_connect

from esep.codec import encode
from esep.embedded.clickhouse import ClickHouseServer
from esep.hash_chain import lines
from esep.identifiers import control_digit
from esep.pseudonyms import Key, add_key, read_keys
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.pseudonyms import update
from esep.sinks.clickhouse.roles import apply
from esep.sinks.clickhouse.store import Store
from esep.store_roles import ROLES
from esep.store_users import Application, StoreUsers
from esep.topics import LEDGER, REJECTED
from tests.sinks.line import BINS, frame_of, postings, rejected
from tests.sinks.loading import load_frame
from tests.support.services import passing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client


PERSONS, POSTINGS = 150, 900
BASIS = "7-114/26: AML law 191-IV, Art. 4"
NOW = datetime(2026, 11, 27, 6, tzinfo=UTC)  # A Friday, 11:00 in Almaty.


class Answer(NamedTuple):
    """What the server says to one request. status: 0 if its answer breaks off."""

    status: int
    text: str


class RoleBooks:
    """The server, its users' passwords, what it holds and what its audit log says."""

    def __init__(self, folder: Path, server: ClickHouseServer, users: StoreUsers) -> None:
        self.folder, self.server, self.users = folder, server, users
        self.key_file = folder / "pseudonym.key"
        self.passwords = {role: self.add(f"{role}.one", role) for role in ROLES}
        self.settings = Settings(
            clickhouse_url=server.url,
            clickhouse_database="esep",
            pseudonym_key_file=self.key_file,
            store_users_dir=users.users_file.parent,
            audit_dir=server.audit_dir,
        )

    def add(self, user: str, role: str) -> str:
        """Apply for a user and grant it; return the password."""
        self.users.apply(Application(user, role, "A. Serikova", "4th", "work", "26-117"), NOW)
        return self.users.decide(user, granted=True, by="d.omarov", reason="order 12", at=NOW)[1]

    def fill(self) -> None:
        """Make tables, rows, pseudonyms and views."""
        migrate(self.settings)
        self.booked = _booked()
        store = Store(self.settings)
        load_frame(store, LEDGER, frame_of("ledger", self.booked))
        load_frame(store, REJECTED, frame_of("rejected", rejected(4, bin_=BINS[0])))
        store.close()
        add_key(self.key_file)
        with connect(self.settings) as client:
            update(client, self.key)
        apply(self.settings)

    @property
    def values(self) -> list[bytes | None]:
        """What was booked, as the values of the ledger's records."""
        return list(encode(frame_of("ledger", self.booked), schema("ledger")))

    @property
    def key(self) -> Key:
        """The key in use."""
        return read_keys(self.key_file)[-1]

    def client(self, role: str, basis: str = BASIS) -> Client:
        """Return an unmodified client of a role's user."""
        return clickhouse_connect.get_client(
            dsn=self.server.url,
            username=f"{role}.one",
            password=self.passwords[role],
            database="esep_analysts" if role == "analyst" else "esep",
            autogenerate_session_id=False,
            settings={"log_comment": basis},
        )

    def ask(self, role: str, query: str, /, *, password: str = "", body: bytes = b"", **fields: str) -> Answer:
        """Send one statement as a role's user, as curl would; the basis is stated unless a field says otherwise."""
        who = f"{role}.one:{password or self.passwords[role]}" if role in ROLES else f"{role}:{password}"
        database = "esep_analysts" if role == "analyst" else "esep"
        given = {"query": query, "database": database, "log_comment": BASIS, **fields}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            headers = {"Authorization": f"Basic {b64encode(who.encode()).decode()}"}
            connection.request("POST", f"/?{urllib.parse.urlencode(given)}", body=body, headers=headers)
            answer = connection.getresponse()
            try:
                return Answer(answer.status, answer.read().decode(errors="replace"))
            except http.client.IncompleteRead as broken:  # An error after the first rows ends the body without its end.
                return Answer(0, broken.partial[-2_000:].decode(errors="replace"))
        finally:
            connection.close()

    def rows(self, role: str, query: str, /, **fields: str) -> list[Any]:
        """Return the rows that a role is given."""
        answer = self.ask(role, query, default_format="JSONCompactEachRow", **fields)
        assert answer.status == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def audited(self) -> list[dict[str, Any]]:
        """Return the lines of the audit log."""
        return list(lines(self.server.audit_dir / "audit.jsonl"))


@contextmanager
def role_books(folder: Path) -> Iterator[RoleBooks]:
    """Run the server, with everything in it."""
    users = StoreUsers(folder / "store-users")
    users.write_users()
    with passing(ClickHouseServer(folder / "clickhouse", users_file=users.users_file)) as server:
        books = RoleBooks(folder, server, users)
        books.fill()
        yield books


def _booked() -> list[dict[str, Any]]:
    draw = random.Random(7)
    known: list[str] = []
    while len(known) < PERSONS:
        born = f"{draw.randrange(50, 100):02}{draw.randrange(1, 13):02}{draw.randrange(1, 29):02}"
        eleven = f"{born}{draw.choice('34')}{draw.randrange(10_000):04}"
        if (last := control_digit(eleven)) is not None:
            known.append(f"{eleven}{last}")
    rows = postings(POSTINGS, partition=1).to_dicts()
    for row in rows:
        row["iin"] = draw.choice(known)
        row["instrument_kind"], row["instrument_key_version"] = "CARD", 1
        row["instrument_hash"] = f"{draw.randrange(2 * PERSONS):064x}"
        if row["event_type"] == "WAGER":
            row["funding"] = draw.choice(["CARD", "ACCOUNT_BALANCE"])
    return rows
