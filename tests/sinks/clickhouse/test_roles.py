"""Analysts' views hold what the documented ones hold, under pseudonyms, and nothing that leads back (clause O9-5.1)."""

from __future__ import annotations

import doctest
import itertools
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from esep.errors import SettingInvalid
from esep.lineage import TopicPartition
from esep.settings import Settings
from esep.sinks.clickhouse import roles as module
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.migrate import refuse_undone
from esep.sinks.clickhouse.roles import server_statements, view_statements
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import LEDGER_TABLE
from esep.store_roles import OF_PERSONS, ROLES
from esep.store_users import Account
from esep.topics import LEDGER

if TYPE_CHECKING:
    from tests.support.role_books import RoleBooks

PAGE = Path(__file__).resolve().parents[3] / "docs" / "analysts.md"
HISTORY = ("organizer_bin", "event_type", "kind", "amount_tiyn", "odds_milli", "revision", "leg")
ARGUMENTS = {"as_known_at": "(known_at = '2027-11-21 12:00:00')", "person_history_of": f"(person = 'p1-{'0' * 32}')"}
VIEWS = [name.partition(".")[2] for _, name in ROLES["analyst"].granted("") if "_analysts." in name]


def pseudonym(roles: RoleBooks, iin: str) -> str:
    return roles.key.pseudonym("PERSON", iin).text


@pytest.mark.parametrize("view", VIEWS)
def test_view_shows_no_number_of_a_person_nor_what_leads_to_one(roles: RoleBooks, view: str) -> None:
    text = roles.ask("analyst", f"SELECT * FROM {view}{ARGUMENTS.get(view, '')} FORMAT TSVWithNames").text
    forbidden: set[str] = set()
    for row in roles.booked:
        forbidden |= {row["iin"], row["entry_id"], row["wager_id"], row["instrument_hash"], row["stream_id"]}
    cells = set(re.split(r"[\t\n]", text))
    assert not cells & {str(one) for one in forbidden}
    assert not any(row["iin"] in text for row in roles.booked)
    columns = set(text.partition("\n")[0].split("\t"))
    assert not columns & {"iin", "ledger_offset", "ledger_partition", "stream_id", "site_id", "flags", "alert_id"}


SHOWN = {
    *(
        "person",
        "birth_years",
        "organizer_bin",
        "organizer_name",
        "event_type",
        "kind",
        "amount_tiyn",
        "revision",
        "leg",
    ),
    *("occurred_at", "received_at", "staked_at", "last_paid_at", "last_day", "day", "year", "status", "movement"),
    *(
        "odds_milli",
        "channel",
        "funding",
        "payment_method",
        "payment_provider",
        "instrument_kind",
        "direction",
        "is_cash",
    ),
    *("wager", "entry", "account", "alert", "instrument", "severity", "mode", "rule_id", "rule_version", "basis"),
    *("organizer_bins", "observations"),
}


@pytest.mark.parametrize(
    "view", [view for view in VIEWS if view.startswith(("person", "wager", "money", "order9", "al"))]
)
def test_new_column_of_a_view_with_persons_is_not_shown_before_somebody_has_thought_about_it(
    roles: RoleBooks, view: str
) -> None:
    head = roles.ask("analyst", f"SELECT * FROM {view}{ARGUMENTS.get(view, '')} LIMIT 0 FORMAT TSVWithNames").text
    new = {name for name in head.split() if not re.search("_(count|tiyn|first_at|last_at)$", name)} - SHOWN
    assert not new, "does it lead back to a person? if not, add it to SHOWN"


@pytest.mark.parametrize("view", ["person_history", "as_known_at"])
def test_history_is_that_of_the_ledger_under_pseudonyms(roles: RoleBooks, view: str) -> None:
    columns = ("person", *HISTORY)
    found = roles.rows("analyst", f"SELECT {', '.join(columns)} FROM {view}{ARGUMENTS.get(view, '')}")
    expected = Counter((pseudonym(roles, row["iin"]), *(row[name] for name in HISTORY)) for row in roles.booked)
    assert Counter(map(tuple, _as_numbers(found))) == Counter(map(tuple, _as_numbers(map(list, expected.elements()))))


def test_history_of_one_person_is_that_person_s_and_reads_no_more(roles: RoleBooks) -> None:
    """By the key in use alone: a former pseudonym would tie the two together."""
    iin = roles.booked[0]["iin"]
    view = f"person_history_of(person = '{pseudonym(roles, iin)}')"
    found = roles.rows("analyst", f"SELECT person, amount_tiyn FROM {view}")
    amounts = [row["amount_tiyn"] for row in roles.booked if row["iin"] == iin]
    assert sorted(int(row[1]) for row in found) == sorted(amounts)
    assert {row[0] for row in found} == {pseudonym(roles, iin)}
    plan = roles.ask("default", f"EXPLAIN indexes = 1 SELECT * FROM esep_analysts.{view}").text
    assert "iin in" in plan
    assert not roles.rows("analyst", f"SELECT 1 FROM person_history_of(person = 'p9{pseudonym(roles, iin)[2:]}')")


@pytest.mark.parametrize("view", ["person_daily", "person_totals", "wager_payout", "money_movements", "order9_lines"])
def test_sums_per_person_are_those_of_the_view_with_persons(roles: RoleBooks, view: str) -> None:
    """Two ways, one answer: the officer's view with the IIN replaced here, and the analyst's."""
    with connect(roles.settings) as client:
        columns = client.query(f"SELECT * FROM {view} LIMIT 0").column_names
    sums = [name for name in columns if name.endswith(("_tiyn", "_count"))]
    asked = ", ".join(f"sum({name})" for name in sums)
    theirs = roles.rows("compliance", f"SELECT iin, count(), {asked} FROM {view} GROUP BY iin")
    ours = roles.rows("analyst", f"SELECT person, count(), {asked} FROM {view} GROUP BY person")
    assert len(ours) > 50
    assert sorted(_as_numbers([pseudonym(roles, iin), *rest] for iin, *rest in theirs)) == sorted(_as_numbers(ours))


ORDERS = (
    "SELECT person FROM {view}",
    "SELECT DISTINCT person FROM {view}",
    "SELECT person FROM {view} ORDER BY 1 % 1",
    "SELECT person FROM {view} LIMIT 1 BY person",
    "SELECT person FROM {view} UNION ALL SELECT '' WHERE 0",
    "SELECT a.person FROM {view} AS a CROSS JOIN (SELECT 1 AS one) AS b",
    "SELECT a.person FROM {view} AS a LEFT JOIN (SELECT '' AS person) AS b USING person",
    "SELECT person FROM (SELECT person, rowNumberInAllBlocks() AS n FROM {view}) GROUP BY person ORDER BY min(n)",
    "SELECT person FROM (SELECT person, row_number() OVER () AS n FROM {view}) GROUP BY person ORDER BY min(n)",
    "SELECT arrayJoin(groupArray(person)) FROM {view}",
    "SELECT arrayJoin(groupUniqArray(person)) FROM {view}",
    "SELECT person FROM {view} GROUP BY person",
    "SELECT person FROM {view} ORDER BY toNullable(1)",
)


@pytest.mark.parametrize("view", ["person_history", "person_daily", "wager_payout"])
def test_order_of_rows_says_nothing_of_dates_of_birth(roles: RoleBooks, view: str) -> None:
    """The tables are sorted by IIN, which begins with the date of birth: however one asks, that is not seen."""
    born = {pseudonym(roles, row["iin"]): row["iin"] for row in roles.booked}
    for statement in ORDERS:
        rows = roles.rows("analyst", statement.format(view=view))
        order = [born[row[0]] for row in dict.fromkeys(map(tuple, rows))]
        rises = sum(one < following for one, following in itertools.pairwise(order))
        assert len(order) == len(born)
        assert 0.3 < rises / len(order) < 0.7, statement


def test_instants_are_cut_to_the_minute_on_both_sides(roles: RoleBooks) -> None:
    """Else a search by halves in `known_at` would find the millisecond at which an organizer's books name the bet."""
    at = roles.booked[0]["received_at"].astimezone(ZoneInfo("Asia/Almaty"))
    begins = at.replace(second=0, microsecond=0)
    expected = sum(row["received_at"] < begins for row in roles.booked)
    for second in (0, 30, 59):
        known_at = begins.replace(second=second, microsecond=999_000).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        rows = roles.rows("analyst", f"SELECT toInt32(count()) FROM as_known_at(known_at = '{known_at}')")
        assert rows == [[expected]]
    assert roles.rows(
        "analyst", "SELECT max(toSecond(occurred_at)), max(toSecond(received_at)) FROM person_history"
    ) == [[0, 0]]


def test_ids_are_equal_within_a_person_and_say_nothing_across(roles: RoleBooks) -> None:
    """A wager's token joins a person's rows; the same id of another person has another token."""
    rows = roles.rows("analyst", "SELECT person, wager, entry FROM person_history")
    joined = roles.rows(
        "analyst",
        "SELECT count() FROM person_history AS h"
        " INNER JOIN wager_payout AS w ON w.wager = h.wager AND w.person = h.person",
    )
    assert _as_numbers(joined) == [[len(rows)]]
    assert len({entry for _, _, entry in rows}) == len(roles.booked)
    tokens = [roles.key.pseudonym("PERSON", row["iin"]).token_key for row in roles.booked]
    assert len(set(tokens)) == len({row["iin"] for row in roles.booked})


def test_loader_does_its_work_as_the_loader_and_nothing_else(roles: RoleBooks, tmp_path: Path) -> None:
    """With the loader's own code: what it asks, what it inserts, and that a token it has used is known."""
    (tmp_path / "password").write_text(roles.passwords["loader"])
    settings = Settings(
        clickhouse_url=roles.server.url, clickhouse_user="loader.one", clickhouse_password_file=tmp_path / "password"
    )
    refuse_undone(settings)
    store = Store(settings)
    held = store.held(LEDGER_TABLE)
    assert sum(one.rows for one in held.values()) == len(roles.booked)
    assert store.layout(LEDGER_TABLE)
    rows = rows_of(Records(TopicPartition(LEDGER, 0), [*range(len(roles.booked))], roles.values), None)
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"{LEDGER}:{month}", rows.block(month))
    assert store.held(LEDGER_TABLE) == held
    store.close()


def test_shared_instrument_is_seen_as_shared(roles: RoleBooks) -> None:
    expected = Counter(
        row["instrument_hash"] for row in {(row["iin"], row["instrument_hash"]): row for row in roles.booked}.values()
    )
    found = roles.rows("analyst", "SELECT uniqExact(person) AS persons FROM person_history GROUP BY instrument")
    assert sorted(int(row[0]) for row in found) == sorted(expected.values())


def test_years_of_birth_are_seen_in_bands_of_five(roles: RoleBooks) -> None:
    bands = {row[0] for row in roles.rows("analyst", "SELECT DISTINCT birth_years FROM person_totals")}
    assert bands == {f"{year}-{year + 4}" for year in range(1950, 2000, 5)}


def test_analysts_questions_run_as_an_analyst(roles: RoleBooks) -> None:
    """Every question on the page for whoever sees pseudonyms."""
    section = PAGE.read_text(encoding="utf-8").partition("## Under pseudonyms")[2].partition("\n## ")[0]
    questions = re.findall(r"^```sql\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(questions) >= 5
    for question in questions:
        roles.rows("analyst", question.replace("esep_analysts.", ""))


def test_each_column_of_the_analysts_views_is_explained(roles: RoleBooks) -> None:
    explained = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    for view in VIEWS:
        names = roles.ask("analyst", f"SELECT * FROM {view}{ARGUMENTS.get(view, '')} LIMIT 0 FORMAT TSVWithNames").text
        if view not in {"rejected", "retention_steps", "rule_precision"}:
            assert set(names.split()) <= explained, view


def test_tables_of_persons_are_all_declared_as_such(roles: RoleBooks) -> None:
    """A row policy stands on each table of which a row tells of a person."""
    with connect(roles.settings) as client:
        rows = client.query(
            "SELECT DISTINCT table FROM system.columns WHERE database = 'esep'"
            " AND name IN ('iin', 'body', 'message_key', 'evidence', 'original')"
            " AND table IN (SELECT name FROM system.tables WHERE database = 'esep' AND engine LIKE '%MergeTree')"
        ).result_rows
    assert {row[0] for row in rows} == set(OF_PERSONS)


def test_statements_for_a_server_are_understood_by_the_engine_s_parser(roles: RoleBooks) -> None:
    """No server is at hand: what it would be told is at least SQL, and every object of it is there."""
    accounts = [
        Account("a.serikova", "analyst", "GRANTED", "", "", "", password_sha256="0" * 64),
        Account("b.leaver", "analyst", "BLOCKED", "", "", "", password_sha256="0" * 64),
    ]
    statements = server_statements("esep", accounts)
    with connect(roles.settings) as client:
        given = [*statements, *view_statements("esep")]
        told = client.query("SELECT formatQuery(arrayJoin({sql:Array(String)}))", parameters={"sql": given}).result_rows
        assert len(told) == len(given)
        there = {row[0] for row in client.query("SELECT concat(database, '.', name) FROM system.tables").result_rows}
    assert {name for role in ROLES.values() for _, name in role.granted("esep")} <= there
    text = "\n".join(statements)
    assert "`a.serikova`" in text
    assert "KILL QUERY WHERE user = 'b.leaver'" in text
    assert "GRANT SELECT ON esep.ledger TO compliance" in text
    assert "TO analyst" in text
    assert not re.search(r"ON `?esep`?\.\S+ TO analyst", text)


def test_missing_definer_is_told_in_words(roles: RoleBooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFINER", "nobody_there")
    with pytest.raises(SettingInvalid, match="no user nobody_there"):
        module.apply(roles.settings)


def test_policy_of_a_server_lets_through_who_states_a_basis(roles: RoleBooks) -> None:
    (policy,) = [one for one in server_statements("esep") if "esep_basis ON `esep`.ledger" in one]
    condition = policy.partition(" USING ")[2].rpartition(" TO ")[0]
    for basis, passes in (("7-1/26: AML law", True), ("because", False), ("", False)):
        answer = roles.ask("default", f"SELECT {condition}", log_comment=basis)
        assert (answer.status == 200) == passes, basis


def test_examples_of_the_module_run() -> None:
    assert doctest.testmod(module).failed == 0


def _as_numbers(rows: Any) -> list[list[Any]]:
    """Rows whose 64-bit numbers may be texts."""
    return [
        [
            int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value) and len(value) < 12 else value
            for value in row
        ]
        for row in rows
    ]
