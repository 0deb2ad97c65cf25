"""Put lines on paper: a PDF with the font in it.

Reads     lines with their kind, page by page; Open Sans, which comes with the package ttf-opensans and has the Kazakh
          letters
Returns   the bytes of the file; `blank`: a file without pages, for those who draw tables
Promises  pure; the same lines give the same bytes, so that a file can be compared with the one that was sent
          (clause O9-5.3; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import ttf_opensans
from fpdf import FPDF

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from esep.sinks.clickhouse.lines import Line

FONT = "OpenSans"
_MARGIN_MM = 20
_SIZES_PT = {"title": 14, "head": 10, "section": 11, "item": 10, "reason": 10}
_BEFORE_MM = {"title": 0, "head": 0, "section": 4, "item": 1, "reason": 1}
_LINE_HEIGHT = 0.5  # Millimetres per point of size: 1.4 lines.


def paper(title: str, dated_at: datetime, pages: Iterable[Iterable[Line]]) -> bytes:
    """Return lines as a PDF (A4), each of `pages` beginning on a page of its own.

    dated_at: what the file says of when it was made: a date of its content, never the clock's.
    """
    pdf = blank(title, dated_at)
    for lines in pages:
        pdf.add_page()
        for kind, text in lines:
            size = _SIZES_PT[kind]
            pdf.ln(_BEFORE_MM[kind])
            pdf.set_font(FONT, "B" if kind in {"title", "section"} else "", size)
            pdf.multi_cell(0, size * _LINE_HEIGHT, text, new_x="LMARGIN", new_y="NEXT", align="L")
    return bytes(pdf.output())


def blank(
    title: str,
    dated_at: datetime,
    *,
    margin_mm: float = _MARGIN_MM,
    orientation: Literal["portrait", "landscape"] = "portrait",
    kind: type[FPDF] = FPDF,
) -> FPDF:
    """Return a PDF (A4) with the font and without pages. kind: a class of FPDF's that draws its own feet."""
    pdf = kind(orientation=orientation, format="A4")
    pdf.set_creation_date(dated_at)
    pdf.set_title(title)
    pdf.set_margins(margin_mm, margin_mm, margin_mm)
    pdf.set_auto_page_break(True, margin_mm)
    pdf.add_font(FONT, "", ttf_opensans.OPENSANS_REGULAR.path)
    pdf.add_font(FONT, "B", ttf_opensans.OPENSANS_BOLD.path)
    return pdf
