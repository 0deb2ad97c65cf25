"""Faults of a YAML file by line and field."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from esep.errors import FileUnusable
from esep.yaml_lines import Fault, read_lines, unusable, validated

TEXT = """\
# A comment stands first.
names:
  - name: first
    value: 1
  - {name: second,
     value: two}
other: 3
"""


class Named(BaseModel):
    name: str
    value: int


class Names(BaseModel):
    names: tuple[Named, ...]
    other: int = 0
    needed: str


def faults_of(text: str) -> FileUnusable:
    value, lines = read_lines(text, "the file")
    with pytest.raises(FileUnusable) as caught:
        validated(value, lines, Names, "the file")
    return caught.value


def test_every_fault_is_told_with_line_and_field_in_the_order_of_lines() -> None:
    error = faults_of(TEXT)
    told = [part.partition(": ")[0] for part in error.detail.split("; ")]
    assert told == ["line 2, needed", "line 6, names › second › value"]
    assert error.line == 2


def test_key_that_stands_twice_is_a_fault() -> None:
    error = faults_of(TEXT.replace("    value: 1", "    value: 1\n    value: 5"))
    assert "names › first › value: stands here twice" in error.detail


def test_member_of_a_list_without_a_name_is_told_by_its_number() -> None:
    error = faults_of("needed: yes, it is\nnames:\n  - [1]\n")
    assert "line 3, names › no. 1" in error.detail


@pytest.mark.parametrize("text", ["", "- 1\n", "7\n"])
def test_text_that_is_something_else_is_refused_at_its_first_line(text: str) -> None:
    assert "line 1" in faults_of(text).detail


def test_text_that_is_not_yaml_is_told_with_its_line() -> None:
    with pytest.raises(FileUnusable, match="is not YAML") as caught:
        read_lines("a: 1\nb: [1\nc: 2\n", "the file")
    assert caught.value.line == 3
    assert "line 3" in caught.value.detail


def test_place_that_is_missing_has_the_line_of_what_is_around_it() -> None:
    _, lines = read_lines(TEXT, "the file")
    assert lines.line(("names", 1, "nothing", 7)) == 5
    assert "names › second › nothing" in unusable([Fault(("names", 1, "nothing"), "is not there")], lines, "x").detail
