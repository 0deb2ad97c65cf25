"""Every field of the list is in the form, both families apart; persons are where they are said to be (O9-F, O9-LN)."""

from __future__ import annotations

from esep.sinks.clickhouse.reports.forms import CASH_OUT, FORMS, NAMES_PERSONS, ORDER9, TABLES, WEIGHTS
from esep.sinks.clickhouse.reports.movements import MOVEMENTS


def test_form_has_every_field_of_the_list_for_both_families() -> None:
    lines = TABLES["lines"].columns
    assert [column.name for column in lines[:2]] == ["number", "iin"]
    groups = {movement.lower() for movement in MOVEMENTS}
    assert {column.group for column in lines[2:]} == groups
    for group in groups:
        assert [column.name for column in lines if column.group == group] == ["first_at", "last_at", "count", "tiyn"]
    assert {"iin", "occurred_at", "tiyn", "movement"} <= {column.name for column in TABLES["movements"].columns}


def test_every_table_is_in_a_report_and_every_report_ends_with_its_coverage() -> None:
    assert {name for tables in FORMS.values() for name in tables} == set(TABLES)
    assert all(tables[-1] == "coverage" for tables in FORMS.values())


def test_persons_are_in_the_reports_that_say_so_and_in_no_other() -> None:
    with_iin = {name for name, table in TABLES.items() if any(column.name == "iin" for column in table.columns)}
    assert {form for form, tables in FORMS.items() if with_iin & set(tables)} == NAMES_PERSONS == {ORDER9, CASH_OUT}


def test_columns_of_a_table_are_told_apart_and_their_kinds_have_a_weight() -> None:
    for name, table in TABLES.items():
        places = [(column.group, column.name) for column in table.columns]
        assert len(set(places)) == len(places), name
        assert {column.kind for column in table.columns} <= set(WEIGHTS)
        assert table.columns[0].kind != "tiyn", "the first cell of the totals is a word"
