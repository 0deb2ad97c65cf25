"""Persons get their pseudonyms, keys are changed, and nobody is named without a case (clauses O9-5.1, J127-7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from esep.errors import SettingInvalid, UsageError
from esep.pseudonyms import Key, birth_years
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.pseudonyms import Asked, reidentify, update

if TYPE_CHECKING:
    from tests.support.role_books import RoleBooks

ASKED = Asked("a.serikova", "7-114/26: AML law 191-IV, Art. 4", "report", datetime(2026, 11, 27, 6, tzinfo=UTC))


def test_keeper_names_a_person_and_it_is_written_down_first(roles: RoleBooks) -> None:
    """As the keeper himself, by his own rights: and what was asked stands there also where nobody is behind it."""
    iin = roles.booked[0]["iin"]
    pseudonym = roles.key.pseudonym("PERSON", iin).text
    client, asked = roles.client("keeper"), ASKED._replace(officer="k.first")
    assert reidentify(client, pseudonym, asked) == iin
    assert reidentify(client, f"p1-{'0' * 32}", asked._replace(reason=f"is it {iin}?")) is None
    rows = client.query(
        "SELECT pseudonym, case_number, legal_basis, reason, officer, is_found FROM reidentifications"
        " WHERE officer = 'k.first'"
    )
    found = sorted(rows.result_rows, key=lambda row: not row[5])
    assert found[0] == (pseudonym, "7-114/26", "AML law 191-IV, Art. 4", "report", "k.first", True)
    assert found[1][3] == "is it ************?"
    assert roles.rows("auditor", "SELECT count() FROM reidentifications WHERE officer = 'k.first'")


@pytest.mark.parametrize(
    "asked",
    [ASKED._replace(basis="because"), ASKED._replace(basis=""), ASKED._replace(reason=" "), ASKED._replace(officer="")],
)
def test_nobody_is_named_without_case_basis_reason_and_officer(roles: RoleBooks, asked: Asked) -> None:
    pseudonym = roles.key.pseudonym("PERSON", roles.booked[0]["iin"]).text
    with connect(roles.settings) as client, pytest.raises(UsageError, match="nobody is named"):
        reidentify(client, pseudonym, asked)


@pytest.mark.parametrize("text", ["900101300007", "", "i1-" + "0" * 32, "p1-xyz", "p0-" + "0" * 32])
def test_what_is_no_pseudonym_of_a_person_is_refused_without_being_quoted(roles: RoleBooks, text: str) -> None:
    with connect(roles.settings) as client, pytest.raises(UsageError, match="no pseudonym") as refused:
        reidentify(client, text, ASKED)
    assert "900101300007" not in str(refused.value)


def test_update_gives_everybody_one_pseudonym_and_repeated_gives_none(roles: RoleBooks) -> None:
    iins = {row["iin"] for row in roles.booked}
    with connect(roles.settings) as client:
        rows = client.query(
            "SELECT original, pseudonym, birth_years FROM pseudonyms WHERE kind = 'PERSON' AND key_version = 1"
        ).result_rows
        again = update(client, roles.key) if roles.key.version == 1 else None
    assert sorted(rows) == sorted(
        (iin, Key(1, _secret(roles)).pseudonym("PERSON", iin).text, birth_years(iin)) for iin in iins
    )
    assert again is None or (again.persons, again.instruments, again.is_new) == (0, 0, False)


def test_other_key_under_a_used_version_is_refused(roles: RoleBooks) -> None:
    """Else half of the persons would have pseudonyms that no key explains."""
    with connect(roles.settings) as client, pytest.raises(SettingInvalid, match="another key"):
        update(client, replace(roles.key, secret=bytes(32)))


def test_new_key_changes_every_pseudonym_at_once_and_the_old_ones_are_still_named(roles: RoleBooks) -> None:
    """A rotation: views show the new ones alone, sums stay; what was handed out before can be named for a case."""
    own = "SELECT uniqExact(person), sum(wager_tiyn), any(substring(person, 1, 3)), uniqExact(wager) FROM {}"
    before = roles.rows("analyst", own.format("(SELECT *, person AS wager FROM person_daily)"))
    old = {row[0] for row in roles.rows("analyst", "SELECT DISTINCT person FROM person_daily")}
    key = Key(roles.key.version + 1, bytes(range(32)))
    with connect(roles.settings) as client:
        made = update(client, key)
        assert (made.persons, made.is_new) == (len(old), True)
        try:
            after = roles.rows("analyst", own.format("(SELECT *, person AS wager FROM person_daily)"))
            new = {row[0] for row in roles.rows("analyst", "SELECT DISTINCT person FROM person_daily")}
            assert not old & new
            assert (after[0][:2], after[0][2]) == (before[0][:2], f"p{key.version}-")
            iin = roles.booked[0]["iin"]
            for one in (roles.key, key):
                assert reidentify(client, one.pseudonym("PERSON", iin).text, ASKED) == iin
            with pytest.raises(SettingInvalid, match=f"key {key.version} of pseudonyms is in use"):
                update(client, roles.key)
        finally:  # Others use these tables under the key of before.
            client.command(f"DELETE FROM pseudonym_keys WHERE key_version = {key.version}")
            client.command(f"DELETE FROM pseudonyms WHERE key_version = {key.version}")


def _secret(roles: RoleBooks) -> bytes:
    return bytes.fromhex(roles.key_file.read_text().splitlines()[0].split()[1])


def test_person_whom_nobody_has_given_a_pseudonym_yet_counts_and_is_not_told_apart(roles: RoleBooks) -> None:
    """Sums stay whole; ids of such a person are not shown either, for there is no key to hide them under."""
    iin = roles.booked[0]["iin"]
    total = "SELECT sum(amount_tiyn), count() FROM person_history"
    before = roles.rows("analyst", total)
    with connect(roles.settings) as client:
        client.command("DELETE FROM pseudonyms WHERE original = {iin:String}", parameters={"iin": iin})
        try:
            assert roles.rows("analyst", total) == before
            nameless = "SELECT count(), any(wager), any(entry), any(birth_years) FROM person_history WHERE person = ''"
            (found,) = roles.rows("analyst", nameless)
            assert [int(found[0]), *found[1:]] == [sum(row["iin"] == iin for row in roles.booked), "", "", ""]
        finally:
            assert update(client, roles.key).persons == 1
    assert roles.rows("analyst", nameless.replace("count()", "toInt64(count())"))[0][0] in {0, "0"}
