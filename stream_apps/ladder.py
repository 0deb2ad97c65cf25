"""When a frame fails by our own fault: try again, then halve until the one bad record is found, and go on without it.

Reads     the batches of a poll, and a pure function that processes them without certain records
Returns   what that function returns without the records that it cannot process
Promises  a record that our code cannot process costs itself and no other; past a run, a share or a number of such
          records the stage stops, because then it is us (DESIGN §4 "The same ladder"; box: intake)

What infrastructure does is no fault of a record: errors of ours (`EsepError`), of the system and of memory go through.
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol, TypeVar

from polars.exceptions import PanicException

from esep.errors import EsepError, InvariantBroken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from esep.stream_apps.stage import Batch

R_co = TypeVar("R_co", covariant=True)

LOG = logging.getLogger(__name__)

ATTEMPTS = 2  # Of the whole frame, before it is halved.
RUN_MAX = 8  # Records left out one after the other; so many may come of one faulty program of an organizer.
SHARE_MAX = 0.01  # Of the records of late, once they are more than a run.
POLL_MAX = 32  # Of one poll: each is found in log2(records) further calls, and the worker's loop waits meanwhile.
OF_LATE = 100_000  # Records after which what was counted before weighs half.


class Run(Protocol[R_co]):
    """Processes batches without the records at these places (of all their records, in order); changes nothing."""

    def __call__(self, batches: Sequence[Batch], without: AbstractSet[int]) -> R_co:
        """Return the result."""
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """How many records were left out of late: of how many, and how many in succession at the end."""

    records: float = 0.0
    left_out: float = 0.0
    run: int = 0

    def after(self, count: int, places: Sequence[int]) -> Tally:
        """Return the tally after a poll of so many records, of which those at these places (ascending) were left out.

        Raises InvariantBroken where they are too many.
        """
        longest, run = _runs(self.run, count, places)
        weight = 0.5 if self.records > OF_LATE else 1.0
        tally = Tally(self.records * weight + count, self.left_out * weight + len(places), run)
        too_many = tally.left_out > RUN_MAX and tally.left_out > SHARE_MAX * tally.records
        if longest > RUN_MAX or too_many or len(places) > POLL_MAX:
            raise InvariantBroken(
                "Too many records cannot be processed: it is our fault and not theirs.",
                detail=f"{len(places)} of {count} in this poll, {longest} of them in succession",
                hint="Nothing was committed. The log names the records left out; mend the stage, then start it again.",
            )
        return tally


@dataclass(frozen=True, slots=True)
class _Failed:
    cause: BaseException


def process_what_can_be(run: Run[R_co], batches: Sequence[Batch], tally: Tally) -> tuple[R_co, list[int]]:
    """Return the result without the records that cannot be processed, and their places, ascending.

    tally: of the polls before. Raises what `run` raises for reasons of infrastructure; InvariantBroken where too many
    would be left out; what the frame raises even without the record that was found.
    """
    count, without = sum(map(len, batches)), frozenset[int]()
    answer = _attempt(run, batches, without)
    for _ in range(ATTEMPTS - 1):
        answer = _attempt(run, batches, without) if isinstance(answer, _Failed) else answer
    while isinstance(answer, _Failed):
        place = _first_bad(run, batches, without)
        if place in without:
            raise answer.cause
        without |= {place}
        LOG.error("%s is left out, as INTERNAL: %s", _name(batches, place), raised_at(answer.cause))
        tally.after(count, sorted(without))
        answer = _attempt(run, batches, without)
    return answer, sorted(without)


def raised_at(failure: BaseException) -> str:
    """Return what was raised and where, without its text, in which a record's content may stand."""
    frames = traceback.extract_tb(failure.__traceback__)
    return type(failure).__name__ + (f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else "")


def _attempt(run: Run[R_co], batches: Sequence[Batch], without: AbstractSet[int]) -> R_co | _Failed:
    try:
        return run(batches, without)
    except (EsepError, MemoryError, OSError):
        raise
    except (Exception, PanicException) as failure:  # noqa: BLE001 - whatever it is, a record is asked for it
        return _Failed(failure)


def _first_bad(run: Run[R_co], batches: Sequence[Batch], without: AbstractSet[int]) -> int:
    """Return the place of the record with which the frame begins to fail, when it grows record by record.

    By halving, and always from the first record on: what a record does may hang on those before it.
    """
    passes, fails = 0, sum(map(len, batches))
    while fails - passes > 1:
        middle = (passes + fails) // 2
        known = {place for place in without if place < middle}
        if isinstance(_attempt(run, _first(batches, middle), known), _Failed):
            fails = middle
        else:
            passes = middle
    return passes


def _first(batches: Sequence[Batch], count: int) -> list[Batch]:
    """Return the first `count` records, at least one, batch by batch."""
    starts = accumulate(map(len, batches), initial=0)
    return [batch.first(count - start) for batch, start in zip(batches, starts, strict=False) if start < count]


def _runs(run: int, count: int, places: Sequence[int]) -> tuple[int, int]:
    """Return the longest run of records left out, and the one at the end; run: what was at the end of the last poll."""
    longest, last = run, -1
    for place in places:
        run = run + 1 if place == last + 1 else 1
        longest, last = max(longest, run), place
    return longest, run if last == count - 1 else 0


def _name(batches: Sequence[Batch], place: int) -> str:
    for batch, start in zip(batches, accumulate(map(len, batches), initial=0), strict=False):
        if place < start + len(batch):
            return f"{batch.source} offset {batch.offsets[place - start]}"
    raise IndexError(place)
