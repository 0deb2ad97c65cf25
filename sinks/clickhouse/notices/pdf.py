"""Put a notice on paper, one language after the other.

Reads     a `Notice`
Returns   the bytes of a PDF
Promises  pure; the same notice gives the same bytes (clause O9-5.3; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.sinks.clickhouse.notices.text import LANGUAGES, lines_of
from esep.sinks.clickhouse.paper import paper

if TYPE_CHECKING:
    from esep.sinks.clickhouse.notices.facts import Notice


def pdf_of(notice: Notice) -> bytes:
    """Return a notice as a PDF (A4), each language on a page of its own."""
    return paper(notice.notice_id, notice.due_at, [lines_of(notice, language) for language in LANGUAGES])
