"""Give each person and means of payment in ClickHouse a pseudonym, and name one again where a case asks for it.

Reads     who is in the tables; the key (`esep.pseudonyms`)
Writes    tables pseudonyms, pseudonym_keys, reidentifications
Promises  the key never leaves this process; a key comes into use once everybody has a pseudonym under it; nobody is
          named before it is written down who asked, for which case and on which basis (clauses O9-5.1, J127-7; decision
          0029; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esep.errors import SettingInvalid, UsageError
from esep.identifiers import masked
from esep.pseudonyms import INSTRUMENT, PERSON, birth_years, version_of
from esep.store_roles import case_and_basis

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from clickhouse_connect.driver.client import Client

    from esep.pseudonyms import Key

BATCH = 50_000  # Pseudonyms of one insert: some 10 MB.
_WHO = {
    PERSON: """
        SELECT DISTINCT original FROM
        (
            SELECT iin AS original FROM person_day
            UNION ALL SELECT iin FROM closing_balances
            UNION ALL SELECT iin FROM alerts
        )""",
    INSTRUMENT: """
        SELECT DISTINCT assumeNotNull(instrument_hash) AS original FROM ledger WHERE instrument_hash IS NOT NULL""",
}
_NEW = """
SELECT original FROM ({who})
WHERE original NOT IN (SELECT original FROM pseudonyms WHERE kind = '{kind}' AND key_version = {{version:UInt32}})
"""
_COLUMNS = ("key_version", "kind", "pseudonym", "original", "birth_years", "token_key_0", "token_key_1")


class Made(NamedTuple):
    """What an update did. is_new: the key has come into use with it."""

    version: int
    persons: int
    instruments: int
    is_new: bool


class Asked(NamedTuple):
    """Who wants a person named, and why. basis: `<case>: <legal basis>`; at: UTC."""

    officer: str
    basis: str
    reason: str
    at: datetime


def update(client: Client, key: Key) -> Made:
    """Give a pseudonym under this key to everybody who has none, then bring the key into use.

    Raises SettingInvalid if another key had this version, or a later one is in use.
    """
    known = {
        int(version): check
        for version, check in client.query(
            "SELECT key_version, any(check_value) FROM pseudonym_keys GROUP BY key_version"
        ).result_rows
    }
    if known.get(key.version, key.check) != key.check:
        raise SettingInvalid(
            f"another key of pseudonyms was in use as version {key.version}",
            hint="put back the file of keys that ClickHouse was given before; a new key has a new version",
        )
    if known and max(known) > key.version:
        raise SettingInvalid(
            f"key {max(known)} of pseudonyms is in use, and the file ends with {key.version}",
            hint="put back the file of keys that has the later one",
        )
    counts = {kind: _name(client, key, kind) for kind in (PERSON, INSTRUMENT)}
    if key.version not in known:
        client.insert("pseudonym_keys", [[key.version, key.check]], column_names=["key_version", "check_value"])
    return Made(key.version, counts[PERSON], counts[INSTRUMENT], key.version not in known)


def reidentify(client: Client, pseudonym: str, asked: Asked) -> str | None:
    """Return the IIN of a person, or None if there is no such pseudonym; noted before it is looked up.

    Raises UsageError for a text that is no person's pseudonym, and without case, legal basis, reason or officer.
    """
    try:
        kind, version = version_of(pseudonym)
    except ValueError:
        kind, version = "", 0
    if kind != PERSON:
        raise UsageError("this is no pseudonym of a person", hint="one looks like p1- and 32 hex digits")
    stated = case_and_basis(asked.basis)
    texts = [masked(text.strip()) for text in (*(stated or ("", "")), asked.reason, asked.officer)]
    if not all(texts):
        raise UsageError("nobody is named without case, legal basis, reason and officer")
    found = client.query(
        "SELECT original FROM pseudonyms"
        " WHERE key_version = {version:UInt32} AND kind = 'PERSON' AND pseudonym = {p:String} LIMIT 1",
        parameters={"version": version, "p": pseudonym},
    ).result_rows
    client.insert(
        "reidentifications",
        [[asked.at, pseudonym, *texts, bool(found)]],
        column_names=["noted_at", "pseudonym", "case_number", "legal_basis", "reason", "officer", "is_found"],
    )
    return str(found[0][0]) if found else None


def _name(client: Client, key: Key, kind: str) -> int:
    """Write the pseudonyms that are missing, and return how many they were."""
    query = _NEW.format(who=_WHO[kind], kind=kind)
    count = 0
    with client.query_rows_stream(query, parameters={"version": key.version}) as rows:
        batch: list[str] = []
        for (original,) in rows:
            batch.append(original)
            if len(batch) == BATCH:
                count += _write(client, key, kind, batch)
                batch = []
    return count + _write(client, key, kind, batch)


def _write(client: Client, key: Key, kind: str, originals: Iterable[str]) -> int:
    rows = []
    for original in originals:
        made = key.pseudonym(kind, original)
        band = birth_years(original) if kind == PERSON else ""
        rows.append([key.version, kind, made.text, original, band, *made.token_key])
    rows.sort(key=lambda row: str(row[2]))
    if rows:
        client.insert("pseudonyms", rows, column_names=list(_COLUMNS))
    return len(rows)
