"""What is to be said of alerts: once it was said, those stand that were found, and there is nothing more to say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from esep.rules import load_rules
from esep.settling import OPEN, UPDATED, WITHDRAWN, Finding, News, Proof, Said, Silence, news_of

RULE = load_rules().rule("WIN_STRUCTURED")
PROOF = Proof("1/desk/1", 0, 1, 7, 100, 0, 0)
EVIDENCE = st.sampled_from([(Proof("1/desk/1", 0, 1, 7, 100, 0, place),) for place in range(3)])
BUCKETS = st.sampled_from(["2026-03-11", "2026-03-12", "2026-03-13"])


def finding(bucket: str, evidence: tuple[Proof, ...]) -> Finding:
    return Finding(RULE, "0", bucket, (), evidence, ("0",), 0)


def said(bucket: str, evidence: tuple[Proof, ...], status: str, revision: int) -> Said:
    return Said(RULE, "0", bucket, revision, status, () if status == WITHDRAWN else evidence, 7, 0, 0)


FOUND = st.dictionaries(BUCKETS, EVIDENCE).map(lambda found: [finding(*one) for one in found.items()])
SAID = st.dictionaries(
    BUCKETS, st.tuples(EVIDENCE, st.sampled_from([OPEN, UPDATED, WITHDRAWN]), st.integers(1, 9))
).map(lambda told: [said(bucket, *one) for bucket, one in told.items()])


def told(news: News) -> Said:
    """Return the news as what was last said."""
    return said(news.bucket, news.found.evidence if news.found else (), news.status, news.revision)


@given(FOUND, SAID)
def test_what_is_found_stands_and_nothing_is_said_twice(found: list[Finding], before: list[Said]) -> None:
    news = news_of(found, before)
    after = {one.bucket: one for one in before} | {one.bucket: told(one) for one in news}
    assert {one.bucket: one.evidence for one in after.values() if one.status != WITHDRAWN} == {
        one.bucket: one.evidence for one in found
    }
    assert news_of(found, after.values()) == []


@given(FOUND, SAID)
def test_revisions_and_statuses_follow_what_was_said_before(found: list[Finding], before: list[Said]) -> None:
    was = {one.bucket: one for one in before}
    for one in news_of(found, before):
        last = was.get(one.bucket)
        assert one.revision == (last.revision if last else 0) + 1
        stood = last is not None and last.status != WITHDRAWN
        assert one.status in ({UPDATED, WITHDRAWN} if stood else {OPEN})
        assert (one.found is None) == (one.status == WITHDRAWN)


def test_last_revision_counts_in_whatever_order_it_was_read() -> None:
    opened, withdrawn = said("2026-03-11", (PROOF,), OPEN, 1), said("2026-03-11", (), WITHDRAWN, 2)
    assert news_of([], [opened, withdrawn]) == news_of([], [withdrawn, opened]) == []


def test_silence_that_goes_on_is_told_again_and_one_that_stands_is_not() -> None:
    """O9-4.3: a silence has no postings to compare."""
    (rule,) = load_rules().silences
    shorter, longer = Silence(0, None, 6), Silence(0, None, 7)
    before = Said(rule, "940140000385", "2026-03-11", 1, OPEN, (), 0, 0, 0, shorter)
    found = [Finding(rule, "940140000385", "2026-03-11", (), (), (), 0, one) for one in (shorter, longer)]
    assert news_of(found[:1], [before]) == []
    assert [(one.status, one.revision) for one in news_of(found[1:], [before])] == [(UPDATED, 2)]
