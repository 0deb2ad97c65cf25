"""Made-up winnings as the columns that the stage works with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from esep.stream_apps.alerts.columns import Columns, Winning, day_of, slots_of
from esep.stream_apps.poll import person_words

if TYPE_CHECKING:
    from collections.abc import Sequence


def columns_of(persons: Sequence[bytes], winnings: Sequence[Winning]) -> Columns:
    """Return postings, each of the person key beside it, as columns."""
    occurred_ms, revisions, amounts, offsets = (
        np.array([getattr(one, name) for one in winnings], np.int64)
        for name in ("occurred_ms", "revision", "amount_tiyn", "offset")
    )
    texts = [one.entry_id.encode() for one in winnings]
    lengths = np.array([len(text) for text in texts], np.int64)
    slots = slots_of(person_words(persons), day_of(occurred_ms))
    return Columns(slots, occurred_ms, amounts, offsets, revisions, np.frombuffer(b"".join(texts), np.uint8), lengths)
