"""What every rule has, whatever it looks at: name, version, mode, texts, what it rests on.

Reads     parts of a file of rules
Returns   `AnyRule`, which rules about postings and about silences go on from; its types
Promises  nothing that is unknown is let through, and nothing changes a rule once it is read (DESIGN §7)
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from esep.clock import ALMATY, to_ms

SILENT_HOURS = "silent_hours"  # How alerts about organizers tell what was observed.
_UNITS_MS = {"min": 60_000, "h": 3_600_000, "d": 86_400_000}
NIGHTLY_WINDOW_MS_MAX = 5 * 366 * _UNITS_MS["d"]  # What the ledger keeps (clause O9-4.7).
_WINDOW = re.compile(r"([1-9][0-9]{0,3})(min|h|d)")


def _window_ms(written: object) -> object:
    """Return a window in ms: 0 for the event alone."""
    if written == "event":
        return 0
    found = _WINDOW.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise ValueError("a window is written as 30min, 24h, 7d, or event for the event alone")
    return int(found[1]) * _UNITS_MS[found[2]]


Window = Annotated[int, BeforeValidator(_window_ms), Field(ge=0, le=NIGHTLY_WINDOW_MS_MAX)]
Sentence = Annotated[str, Field(pattern=r"\.$", min_length=10)]


class Declared(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Texts(Declared):
    """One sentence in three languages; {name} is an observed value, {name.limit} what it was compared with."""

    kk: Sentence
    ru: Sentence
    en: Sentence


class AnyRule(Declared):
    """What every rule says.

    waits: for how long (ms) the nightly run does not look at what occurred, since what it lacks may still come.
    since: only what occurred from that Almaty day on counts. confuses: what the rule is likely to take for its case.
    needs: of which version of the events, where not every one will do.
    """

    rule_id: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", alias="rule")]
    version: int = Field(ge=1)
    mode: Literal["LIVE", "SHADOW"]
    severity: Literal["INFO", "LOW", "MEDIUM", "HIGH", "MANDATORY"]
    basis: Annotated[str, Field(min_length=3)]
    waits: Window = 0
    since: date | None = None
    reason: Texts
    confuses: Sentence
    needs: Sentence | None = None

    @property
    def raised(self) -> bool:
        """Whether anybody raises its alerts, the stage or the nightly run."""
        return self.mode == "LIVE"

    @property
    def since_ms(self) -> int:
        """The first instant that counts, UTC."""
        return -(2**62) if self.since is None else to_ms(datetime.combine(self.since, time(), ZoneInfo(ALMATY)))
