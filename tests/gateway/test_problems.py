"""Every refusal has one shape and three languages."""

from __future__ import annotations

import pytest

from esep.codes import REJECT_CODES
from esep.gateway.problems import LANGUAGES, PROBLEMS, RETRY_AFTER_S, Problem, language_of


@pytest.mark.parametrize("code", [*PROBLEMS, "UNDECODABLE"])
def test_problem_says_in_each_language_what_is_wrong(code: str) -> None:
    problem = Problem(code, place=3, field="iin")
    texts = {problem.document(language)["text"] for language in LANGUAGES}
    assert len(texts) == 3
    assert {**problem.document("en"), "text": ""} == {"code": code, "place": 3, "field": "iin", "text": ""}
    assert 400 <= problem.status < 600


def test_what_may_be_repeated_says_when_and_nothing_else_does() -> None:
    later = {code for code in PROBLEMS if "Retry-After" in Problem(code).headers}
    assert later == {code for code in PROBLEMS if PROBLEMS[code].status >= 500} == set(RETRY_AFTER_S)
    assert "Basic" in Problem("CREDENTIALS_REFUSED").headers["WWW-Authenticate"]


def test_codes_of_the_gateway_are_none_of_intake() -> None:
    assert not {code.code for code in REJECT_CODES} & set(PROBLEMS)


def test_unknown_language_is_english() -> None:
    assert [language_of(text) for text in ("ru", "KK", None, "")] == ["ru", "en", "en", "en"]
