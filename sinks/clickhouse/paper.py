"""Put lines on paper: a PDF with the font in it.

Reads     lines with their kind, page by page; Open Sans, which comes with the package ttf-opensans and has the Kazakh
          letters
Returns   the bytes of the file
Promises  pure; the same lines give the same bytes, so that a file can be compared with the one that was sent
          (clause O9-5.3; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ttf_opensans
from fpdf import FPDF

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from esep.sinks.clickhouse.lines import Line

_FONT = "OpenSans"
_MARGIN_MM = 20
_SIZES_PT = {"title": 14, "head": 10, "section": 11, "item": 10, "reason": 10}
_BEFORE_MM = {"title": 0, "head": 0, "section": 4, "item": 1, "reason": 1}
_LINE_HEIGHT = 0.5  # Millimetres per point of size: 1.4 lines.


def paper(title: str, dated_at: datetime, pages: Iterable[Iterable[Line]]) -> bytes:
    """Return lines as a PDF (A4), each of `pages` beginning on a page of its own.

    dated_at: what the file says of when it was made: a date of its content, never the clock's.
    """
    pdf = FPDF(format="A4")
    pdf.set_creation_date(dated_at)
    pdf.set_title(title)
    pdf.set_margins(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
    pdf.set_auto_page_break(True, _MARGIN_MM)
    pdf.add_font(_FONT, "", ttf_opensans.OPENSANS_REGULAR.path)
    pdf.add_font(_FONT, "B", ttf_opensans.OPENSANS_BOLD.path)
    for lines in pages:
        pdf.add_page()
        for kind, text in lines:
            size = _SIZES_PT[kind]
            pdf.ln(_BEFORE_MM[kind])
            pdf.set_font(_FONT, "B" if kind in {"title", "section"} else "", size)
            pdf.multi_cell(0, size * _LINE_HEIGHT, text, new_x="LMARGIN", new_y="NEXT", align="L")
    return bytes(pdf.output())
