"""`esep alerts show` explains an alert from the tables, and keeps the person to those who ask for the person."""

from __future__ import annotations

import json
from functools import partial

import pytest

from esep.errors import UsageError
from tests.support.alert_books import ALATAU, ESIL, PERSON, AlertBooks
from tests.support.command import command

esep = partial(command, "alerts")


@pytest.mark.clickhouse
def test_alert_is_explained_in_three_languages_and_as_json(books: AlertBooks) -> None:
    window = [books.pay(600_000_00), books.pay(700_000_00, bin_=ESIL)]
    alert_id = books.structured(window)
    books.decide(alert_id, "CONFIRMED")
    for lang, why in (("kk", "Себебі"), ("ru", "Причина"), ("en", "Why")):
        answer = esep("show", alert_id, "--lang", lang)
        assert answer.exit_code == 0, answer.exception
        assert why in answer.stdout
        assert PERSON not in answer.stdout
        assert all(part in answer.stdout for part in ("1,300,000.00", "WIN_STRUCTURED", ALATAU, ESIL, "a.serikova"))
    told = json.loads(esep("show", alert_id, "--json").stdout)
    assert [(one["ledger_offset"], one["amount_tiyn"]) for one in told["evidence"]] == [(0, 60000000), (1, 70000000)]
    assert told["person_totals"]["person_ever_winning_count"] == 2
    assert told["due_at"] is None, "no report is asked for"
    assert PERSON not in json.dumps(told)


@pytest.mark.clickhouse
def test_person_is_named_to_who_asks_and_a_mandatory_alert_has_its_term(books: AlertBooks) -> None:
    alert_id = books.alert([books.pay(1_200_000_00)])
    assert f"IIN {PERSON}" in esep("show", alert_id, "--show-iin").stdout
    told = json.loads(esep("show", alert_id, "--json", "--show-iin").stdout)
    assert (told["iin"], told["due_at"]) == (PERSON, "2026-11-23T18:59:59.999Z")


@pytest.mark.clickhouse
def test_alert_that_is_not_there_is_told_and_no_person_is_repeated(books: AlertBooks) -> None:
    missing, wrong = esep("show", "0" * 32), esep("show", PERSON)
    assert isinstance(missing.exception, UsageError)
    assert isinstance(wrong.exception, UsageError)
    assert PERSON not in str(wrong.exception)
