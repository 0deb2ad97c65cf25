"""Each sign of cashing out is borne from its thresholds on, and not below them (D934-7..11, D934-1..3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.sinks.clickhouse.reports.signs import LARGE_TIYN, SIGNS, Conduct, signs_of

NOTHING = Conduct("900101300007", 1, *[0] * 9)
SUMS = [name for name in Conduct._fields if name.endswith("_tiyn")]


@pytest.mark.parametrize(
    ("sign", "bears", "bears_not"),
    [
        ("C1", {"deposit": 100, "withdrawal": 80, "stake": 20}, [{"deposit": 99}, {"withdrawal": 79}, {"stake": 21}]),
        ("C2", {"in_cashless": 100, "out_cash": 80}, [{"in_cashless": 99}, {"out_cash": 79}]),
        ("C5", {"stake": 100, "returned": 50}, [{"stake": 99}, {"returned": 49}]),
        ("C6", {"stake": 100, "safe_stake": 80}, [{"stake": 99}, {"safe_stake": 79}]),
    ],
)
def test_sign_of_sums_begins_at_its_thresholds(
    sign: str, bears: dict[str, int], bears_not: list[dict[str, int]]
) -> None:
    """Sums in hundredths of the sum from which on anybody is looked at."""

    def conduct(hundredths: dict[str, int]) -> Conduct:
        return NOTHING._replace(**{f"{name}_tiyn": LARGE_TIYN * part // 100 for name, part in hundredths.items()})

    assert sign in signs_of(conduct(bears))
    for less in bears_not:
        assert sign not in signs_of(conduct({**bears, **less})), less


def test_signs_of_days_and_means_begin_at_their_counts() -> None:
    assert signs_of(NOTHING) == ()
    assert signs_of(NOTHING._replace(split_days=1)) == ("C3",)
    assert signs_of(NOTHING._replace(sharers=2)) == ()
    assert signs_of(NOTHING._replace(sharers=3)) == ("C4",)


@given(st.tuples(*[st.integers(0, 4 * LARGE_TIYN) for _ in SUMS]), st.integers(2, 50))
def test_larger_sums_of_the_same_proportions_lose_no_sign(sums: tuple[int, ...], times: int) -> None:
    one = NOTHING._replace(**dict(zip(SUMS, sums, strict=True)))
    larger = NOTHING._replace(**{name: value * times for name, value in zip(SUMS, sums, strict=True)})
    assert set(signs_of(one)) <= set(signs_of(larger)) <= set(SIGNS)
