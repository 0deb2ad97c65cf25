"""What is asked for by a request of data, and what stands of it after its steps.

Reads     plain values
Returns   `Asked`, `Step`; `Standing`: what the steps of a request come to
Promises  pure; whatever the steps are, a request is approved only by another officer than the one who entered it, its
          first decision stands, and what it is about never changes; a person's number is refused in every text
          (O114-3, O114-C; decision 0031; box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from esep.errors import UsageError
from esep.identifiers import is_bin, is_iin, masked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

LETTERS_MAX = 1_000  # A reference to a law or a court's order, not the order itself.


class Deed(StrEnum):
    """What is done to a request, in the order in which it can be done."""

    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    REFUSED = "REFUSED"
    EXTRACTED = "EXTRACTED"


_ORDER = {deed: place for place, deed in enumerate(Deed)}


class Asked(NamedTuple):
    """Who asks on what basis, and for what: a person, an organizer, or a person with an organizer; days in Almaty.

    first_day, last_day: both included. known_at: what was received later is left out; None: nothing is.
    """

    asker: str
    basis: str
    case_number: str
    iin: str
    organizer_bin: str
    first_day: date
    last_day: date
    known_at: datetime | None = None

    @property
    def about(self) -> str:
        """Whom it is about, without anybody's number but an organizer's."""
        parts = [
            *(["a person"] if self.iin else []),
            *([f"organizer {self.organizer_bin}"] if self.organizer_bin else []),
        ]
        return " with ".join(parts)


class Step(NamedTuple):
    """One row of the register. asked: with REQUESTED only. store_user: as whom it was written, by the store's word."""

    request_id: str
    deed: Deed
    noted_at: datetime
    officer: str
    reason: str = ""
    asked: Asked | None = None
    manifest_sha256: str = ""
    row_count: int = 0
    store_user: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands of a request. decided: the decision that counts; extracted: the extracts made after it."""

    asked: Asked
    entered: Step
    decided: Step | None = None
    extracted: tuple[Step, ...] = ()

    @property
    def request_id(self) -> str:
        """Its name."""
        return self.entered.request_id

    @property
    def state(self) -> str:
        """REQUESTED, APPROVED, REFUSED or EXTRACTED."""
        return (self.extracted[-1] if self.extracted else self.decided or self.entered).deed.value

    @property
    def approved(self) -> Step | None:
        """The approval, if there is one."""
        return self.decided if self.decided is not None and self.decided.deed is Deed.APPROVED else None


def standings(steps: Iterable[Step]) -> dict[str, Standing]:
    """Return what stands of each request, the earliest first; what may not be done counts for nothing."""
    found: dict[str, Standing] = {}
    for step in sorted(steps, key=_place):
        now = found.get(step.request_id)
        after = _first(step) if now is None else _after(now, step)
        if after is not None:
            found[step.request_id] = after
    return found


def _place(step: Step) -> tuple[datetime, int, str]:
    return step.noted_at, _ORDER[step.deed], step.officer


def _first(step: Step) -> Standing | None:
    return None if step.asked is None else Standing(step.asked, step)


def _after(now: Standing, step: Step) -> Standing:
    if step.deed in {Deed.APPROVED, Deed.REFUSED} and now.decided is None and may_decide(now, step.officer, step.deed):
        return Standing(now.asked, now.entered, step)
    if step.deed is Deed.EXTRACTED and now.approved is not None:
        return Standing(now.asked, now.entered, now.decided, (*now.extracted, step))
    return now


def may_decide(standing: Standing, officer: str, deed: Deed) -> bool:
    """Return whether an officer may decide: anybody may refuse, who entered it may not approve.

    A login is the same however it is written.
    """
    return deed is Deed.REFUSED or _login(officer) != _login(standing.entered.officer)


def _login(officer: str) -> str:
    return officer.strip().casefold()


def checked(asked: Asked) -> Asked:
    """Return what is asked for, without blanks around its texts; UsageError says what is missing or wrong."""
    texts = {"asker": asked.asker, "basis": asked.basis, "case": asked.case_number}
    asker, basis, case_number = (said(name, text) for name, text in texts.items())
    if not asked.iin and not asked.organizer_bin:
        raise UsageError("say whose data are asked for", hint="--iin, --organizer, or both")
    if asked.iin and not is_iin(asked.iin):
        raise UsageError("the IIN is none", hint="its control digit is wrong, or it is not twelve digits")
    if asked.organizer_bin and not is_bin(asked.organizer_bin):
        raise UsageError("the BIN is none", hint="its control digit is wrong, or it is not twelve digits")
    if asked.last_day < asked.first_day:
        raise UsageError("the last day comes before the first")
    return asked._replace(asker=asker, basis=basis, case_number=case_number)


def said(name: str, text: str) -> str:
    """Return a text that must be there; UsageError if it is missing, long, or has the number of a person in it."""
    text = text.strip()
    if not text:
        raise UsageError(f"a request needs: {name}", hint=f"give --{name}")
    if len(text) > LETTERS_MAX:
        raise UsageError(f"the {name} is longer than {LETTERS_MAX} letters")
    if masked(text) != text:
        raise UsageError(f"the {name} has the number of a person in it", hint="the register is shown: leave it out")
    return text
