"""The line loses brokers, workers, loaders and ClickHouse while messages flow: all is booked once, and rightly.

Short here; `make chaos SEEDS="1 2 3"` runs longer ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.ordeals import all_names
from tests.chaos.run import Size, run

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
SHORT = Size(events=2_000, trouble_s=18, on_purpose=False, looks=20_000)


def test_nothing_is_lost_doubled_or_wrong_after_kills_pauses_and_restarts(tmp_path: Path) -> None:
    """Clauses O9-4.4, O9-4.5: each part comes back by itself, and every posting, total, alert and receipt is right."""
    outcome = run(7, SHORT, tmp_path)
    assert outcome.findings.clean, f"{outcome.findings}\ndata and logs are in {tmp_path}"
    assert outcome.events > SHORT.events
    assert outcome.done.total() >= 5
    assert outcome.counts.postings > 0.8 * SHORT.events
    assert outcome.counts.alerts > 0


@pytest.mark.long
def test_everything_that_goes_wrong_on_purpose_is_met_and_survived(tmp_path: Path) -> None:
    """O9-4.4, O9-4.5: crashes between any two steps, sleepers, lost brokers, refusals.

    A busy machine may let one or two of them pass by in a single run; `make chaos` says what none of its runs has met.
    """
    outcome = run(2, Size(events=2_000, trouble_s=20, looks=100_000), tmp_path)
    assert outcome.findings.clean, f"{outcome.findings}\ndata and logs are in {tmp_path}"
    assert outcome.met.keys() <= set(all_names())
    assert len(outcome.met) >= len(all_names()) - 2
    assert outcome.counts.own > 0
