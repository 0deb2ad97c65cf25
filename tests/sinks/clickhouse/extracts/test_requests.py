"""What stands of a request (O114-3, O114-C)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import UsageError
from esep.sinks.clickhouse.extracts.requests import Asked, Deed, Step, checked, standings

AT = datetime(2026, 11, 1, tzinfo=UTC)
ASKED = Asked("Court", "CPC 122", "7/114", "", "940140000385", date(2026, 10, 1), date(2026, 10, 31))
IIN = "900101300007"
LOGINS = ("a.serikova", "A.Serikova ", "b.omarov", "c.akhmetova")


@st.composite
def registers(draw: st.DrawFn) -> list[Step]:
    """Draw steps in any order, as somebody might write them who has the table."""
    found = []
    for _ in range(draw(st.integers(0, 12))):
        deed = draw(st.sampled_from(list(Deed)))
        at = AT + timedelta(seconds=draw(st.integers(0, 5)))
        name, officer = draw(st.sampled_from(["extract-1", "extract-2"])), draw(st.sampled_from(LOGINS))
        days = ASKED._replace(last_day=date(2026, 10, draw(st.integers(1, 31))))
        found.append(Step(name, deed, at, officer, asked=days if deed is Deed.REQUESTED else None))
    return found


@given(registers(), st.randoms())
def test_whatever_is_written_nobody_approves_what_the_same_officer_entered(steps: list[Step], random: object) -> None:
    found = standings(steps)
    for name, one in found.items():
        own = [step for step in steps if step.request_id == name]
        assert one.entered.noted_at == min(step.noted_at for step in own if step.deed is Deed.REQUESTED)
        assert one.asked == one.entered.asked
        if one.approved is not None:
            assert one.approved.officer.strip().lower() != one.entered.officer.strip().lower()
            assert one.approved.noted_at >= one.entered.noted_at
        refusals = [s for s in own if s.deed is Deed.REFUSED and s.noted_at > one.entered.noted_at]
        if refusals and one.approved is not None:
            assert one.approved.noted_at <= min(step.noted_at for step in refusals)
        assert not one.extracted or one.approved is not None
    random.shuffle(steps)  # type: ignore[attr-defined]
    again = standings(steps)
    assert {name: one.state for name, one in again.items()} == {name: one.state for name, one in found.items()}


def test_states_follow_each_other() -> None:
    entered = Step("extract-1", Deed.REQUESTED, AT, "a.serikova", asked=ASKED)
    minute = timedelta(minutes=1)
    approved = Step("extract-1", Deed.APPROVED, AT + minute, "b.omarov", "sanctioned")
    refused = Step("extract-1", Deed.REFUSED, AT + 2 * minute, "c.akhmetova", "no")
    made = Step("extract-1", Deed.EXTRACTED, AT + 3 * minute, "a.serikova")
    for steps, state in [
        ([entered], "REQUESTED"),
        ([entered, approved._replace(officer=" A.SERIKOVA")], "REQUESTED"),
        ([entered, refused._replace(officer="a.serikova")], "REFUSED"),
        ([entered, approved, refused], "APPROVED"),
        ([entered, refused, approved._replace(noted_at=AT + 4 * minute)], "REFUSED"),
        ([entered, approved, made], "EXTRACTED"),
        ([entered, refused, made], "REFUSED"),
        ([entered, approved, made._replace(noted_at=AT)], "APPROVED"),
    ]:
        assert standings(steps)["extract-1"].state == state, steps
    assert standings([approved]) == {}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"asker": " "}, "needs: asker"),
        ({"basis": "x" * 1001}, "longer than"),
        ({"case_number": f"about {IIN}"}, "number of a person"),
        ({"organizer_bin": ""}, "whose data"),
        ({"organizer_bin": IIN}, "the BIN is none"),
        ({"iin": "940140000385"}, "the IIN is none"),
        ({"last_day": date(2026, 9, 30)}, "before the first"),
    ],
)
def test_request_that_says_too_little_is_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text) as refused:
        checked(ASKED._replace(**change))  # type: ignore[arg-type]
    assert IIN not in str(refused.value)


def test_request_is_told_without_the_person() -> None:
    both = checked(ASKED._replace(iin=IIN, asker=" Court "))
    assert both.asker == "Court"
    assert both.about == "a person with organizer 940140000385"
