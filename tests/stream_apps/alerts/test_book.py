"""One person's book against a list of postings that is looked through from the start each time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from esep.buckets import Span
from esep.rules import DAY_MS, load_rules
from esep.stream_apps.alerts.book import Book
from esep.stream_apps.alerts.columns import Posting
from esep.stream_apps.alerts.program import compile_rules

THRESHOLD = 1_000_000_00
(WIN_STRUCTURED,) = compile_rules(load_rules()).window_rules
ENTRIES = [f"940140000385/desk-1/{sequence}" for sequence in (1, 2, 10)]
INSTANTS = [0, 1, DAY_MS // 2, DAY_MS - 1, DAY_MS, DAY_MS + 1, 2 * DAY_MS]
SPANS = [Span(0, DAY_MS), Span(DAY_MS, 2 * DAY_MS), Span(2 * DAY_MS, 3 * DAY_MS)]
WINNINGS = st.builds(
    lambda occurred_ms, entry_id, revision, leg, amount: Posting(
        occurred_ms, entry_id, revision, leg, leg * amount, 0, bits=WIN_STRUCTURED.bits
    ),
    st.sampled_from(INSTANTS), st.sampled_from(ENTRIES), st.integers(0, 3), st.sampled_from([1, 1, -1]),
    st.sampled_from([THRESHOLD - 1, THRESHOLD // 2, THRESHOLD // 3, 1]),
)  # fmt: skip


def by_brute_force(winnings: set[Posting], span: Span) -> tuple[Posting, ...]:
    def taken_back(one: Posting) -> bool:
        return any(
            other.leg < 0 and other.revision > one.revision and other.amount_tiyn == -one.amount_tiyn
            and other[:2] == one[:2] for other in winnings
        )  # fmt: skip

    order = sorted(one for one in winnings if one.leg > 0 and not taken_back(one))
    for last in order:
        window = tuple(one for one in order if one <= last and one.occurred_ms > last.occurred_ms - DAY_MS)
        inside = span.start_ms <= last.occurred_ms < span.end_ms
        if inside and len(window) >= 2 and sum(one.amount_tiyn for one in window) >= THRESHOLD:
            return window
    return ()


def window(book: Book, span: Span) -> tuple[Posting, ...]:
    found = book.first(span)
    return found.evidence if found else ()


@settings(deadline=None)
@given(
    st.lists(WINNINGS, max_size=14, unique_by=lambda one: one[:4]), st.integers(0, 5), st.sets(st.sampled_from(SPANS))
)
def test_answers_are_those_of_the_set_after_each_posting(
    winnings: list[Posting], known: int, asked_early: set[Span]
) -> None:
    book, seen = Book(WIN_STRUCTURED, winnings[:known]), set(winnings[:known])
    for winning in winnings[known:] + winnings[:2]:  # The last two are there already.
        for span in asked_early:
            assert window(book, span) == by_brute_force(seen, span)
        book.add(winning)
        seen.add(winning)
    assert [window(book, span) for span in SPANS] == [by_brute_force(seen, span) for span in SPANS]


def test_answer_stays_the_same_object_while_postings_follow_the_one_it_rests_on() -> None:
    first, second, third = (
        Posting(at, ENTRIES[0], 0, 1, THRESHOLD // 2, at, bits=WIN_STRUCTURED.bits) for at in (0, 1, 2)
    )
    book = Book(WIN_STRUCTURED, [first, second])
    answer = book.first(SPANS[0])
    book.add(third)
    assert book.first(SPANS[0]) is answer
    assert answer is not None
    assert answer.evidence == (first, second)
