"""Put a notice on paper: a PDF with the font in it, one language after the other.

Reads     a `Notice`; Open Sans, which comes with the package ttf-opensans and has the Kazakh letters
Returns   the bytes of the file
Promises  pure; the same notice gives the same bytes, so that a file can be compared with the one that was sent
          (clause O9-5.3; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ttf_opensans
from fpdf import FPDF

from esep.sinks.clickhouse.notices.text import LANGUAGES, lines_of

if TYPE_CHECKING:
    from esep.sinks.clickhouse.notices.facts import Notice

_FONT = "OpenSans"
_MARGIN_MM = 20
_SIZES_PT = {"title": 14, "head": 10, "section": 11, "item": 10, "reason": 10}
_BEFORE_MM = {"title": 0, "head": 0, "section": 4, "item": 1, "reason": 1}
_LINE_HEIGHT = 0.5  # Millimetres per point of size: 1.4 lines.


def pdf_of(notice: Notice) -> bytes:
    """Return a notice as a PDF (A4), each language on a page of its own."""
    pdf = FPDF(format="A4")
    pdf.set_creation_date(notice.due_at)  # Not the clock's time: the same notice is the same file.
    pdf.set_title(notice.notice_id)
    pdf.set_margins(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    pdf.set_auto_page_break(True, _MARGIN_MM)
    pdf.add_font(_FONT, "", ttf_opensans.OPENSANS_REGULAR.path)
    pdf.add_font(_FONT, "B", ttf_opensans.OPENSANS_BOLD.path)
    for language in LANGUAGES:
        pdf.add_page()
        for line in lines_of(notice, language):
            size = _SIZES_PT[line.kind]
            pdf.ln(_BEFORE_MM[line.kind])
            pdf.set_font(_FONT, "B" if line.kind in {"title", "section"} else "", size)
            pdf.multi_cell(0, size * _LINE_HEIGHT, line.text, new_x="LMARGIN", new_y="NEXT", align="L")
    return bytes(pdf.output())
