"""A context is left closed, and what was raised in it is seen."""

from __future__ import annotations

import pytest

from esep.closing import Closing


class Door(Closing):
    """Counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("raised", [None, KeyError("desk-7")])
def test_context_closes_once_and_hides_no_error(raised: KeyError | None) -> None:
    door, seen = Door(), None
    try:
        with door as inside:
            assert inside is door
            assert door.closed == 0
            if raised is not None:
                raise raised
    except KeyError as error:
        seen = error
    assert (door.closed, seen) == (1, raised)
