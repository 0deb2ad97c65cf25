"""Every difference between two books is found, and named for what it is."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.books import Findings, compare_bags, compare_maps, compare_postings, compare_rows
from tests.chaos.oracle import Posting

places = st.tuples(st.integers(0, 3), st.integers(0, 20))
changes = st.dictionaries(places, st.sampled_from(["keep", "lose", "double", "spoil", "invent"]), min_size=1)


def rows_of(changed: dict[tuple[int, int], str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows that must be, and those that are."""
    expected, found = [], []
    for (partition, offset), change in sorted(changed.items()):
        row = {"cause_partition": partition, "cause_offset": offset, "amount_tiyn": 700_00}
        if change != "invent":
            expected.append(row)
        times = {"lose": 0, "double": 2}.get(change, 1)
        found += [row | ({"amount_tiyn": 701_00} if change == "spoil" else {})] * times
    return expected, found


def counts(findings: Findings) -> tuple[int, int, int]:
    return len(findings.lost), len(findings.doubled), len(findings.wrong)


def meant(changed: dict[tuple[int, int], str]) -> tuple[int, int, int]:
    said = list(changed.values())
    return said.count("lose"), said.count("double"), said.count("spoil") + said.count("invent")


@given(changes)
def test_each_ledger_row_lost_doubled_or_spoilt_is_found(changed: dict[tuple[int, int], str]) -> None:
    findings = Findings()
    compare_rows(*rows_of(changed), findings)
    assert counts(findings) == meant(changed)
    assert findings.clean == (set(changed.values()) == {"keep"})


@given(changes)
def test_each_posting_lost_doubled_or_spoilt_is_found(changed: dict[tuple[int, int], str]) -> None:
    expected, found = (
        [
            Posting(f"940140000385/desk-{r['cause_partition']}/{r['cause_offset']}", 0, 1, (r["amount_tiyn"],))
            for r in one
        ]
        for one in rows_of(changed)
    )
    findings = Findings()
    compare_postings(expected, found, findings)
    assert counts(findings) == meant(changed)


def test_totals_and_alerts_that_differ_are_counted_and_nobody_is_named() -> None:
    findings = Findings()
    totals = {("900101300007", "", 0): [1, 700_00], ("830717350867", "", 0): [1, 5_00]}
    compare_maps("totals", totals, {("900101300007", "", 0): [2, 700_00]}, findings)
    compare_bags("alert", [("WIN", "900101300007"), ("WIN", "830717350867")], [("WIN", "900101300007")] * 2, findings)
    assert counts(findings) == (1, 1, 2)
    assert "900101300007" not in str(findings)


def test_long_list_of_findings_is_cut_and_says_so() -> None:
    assert str(Findings(lost=[f"posting {n}" for n in range(23)])).endswith("posting 19\nand 3 more")
