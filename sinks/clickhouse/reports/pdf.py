"""A report on paper: A4 across, a table per section, its heading on every page, a place to sign.

Reads     a `Sheet`
Returns   the bytes of a PDF
Promises  pure; the same sheet gives the same bytes; every page bears the report's number and the page's
          (O9-F, D934-7..11; box: sinks/clickhouse)
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from fpdf import FPDF

from esep.errors import UsageError
from esep.money import tenge_text
from esep.sinks.clickhouse.paper import FONT, blank
from esep.sinks.clickhouse.reports.forms import WEIGHTS
from esep.sinks.clickhouse.reports.sheet import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.sinks.clickhouse.reports.facts import Row, Value
    from esep.sinks.clickhouse.reports.forms import Column
    from esep.sinks.clickhouse.reports.sheet import Section, Sheet

ROWS_MAX = 5_000  # Some 200 pages; who signs has to leaf through them.
_MARGIN_MM, _FOOT_MM = 12.0, 14.0
_PAD_MM = 0.8
_LABEL_MM = 62.0
_TEXT_PT, _HEAD_PT, _TITLE_PT, _NOTE_PT = 9.0, 9.0, 13.0, 7.5
_CELL_PT = (8.5, 7.8, 7.2, 6.6, 6.2, 5.8)  # The first in which no word has to be cut.
_WIDE_MAX = 0.55  # Weights per millimetre: a table of few columns is not drawn out over all of the page.
_ROUNDED = 1e-6  # What adding up widths may lose.
_LINE_HEIGHT = 0.46  # Millimetres per point of size: 1.3 lines.
_SHADE = (232, 237, 243)
_ENDLESS = datetime(1980, 1, 1, tzinfo=UTC)  # The file's own date: when it was made stands in its head.
_RIGHT = {"count", "tiyn", "share"}


class _Paper(FPDF):  # type: ignore[misc]
    """Draws the foot of each page: the report's number, the page's."""

    report_id = ""
    numbering = ""

    def footer(self) -> None:
        """Write the foot, as FPDF asks for it."""
        self.set_y(-_FOOT_MM + 4)
        self.set_font(FONT, "", _NOTE_PT)
        self.cell(self.epw / 2, 4, self.report_id, align="L")
        self.cell(self.epw / 2, 4, self.numbering.format(number=self.page_no(), count="{nb}"), align="R")


def pdf_of(sheet: Sheet) -> bytes:
    """Return a report as a PDF; UsageError if it would be longer than anybody can sign."""
    for section in sheet.sections:
        if len(section.rows) > ROWS_MAX:
            raise UsageError(
                f"{len(section.rows):,} lines are too many for paper",
                detail=section.title,
                hint="write FILE.xlsx or .csv",
            )
    pdf = blank(sheet.head[0][1], _ENDLESS, margin_mm=_MARGIN_MM, orientation="landscape", kind=_Paper)
    pdf.report_id, pdf.numbering = f"{sheet.head[0][0]}: {sheet.head[0][1]}", sheet.words.page
    pdf.set_auto_page_break(False)
    pdf.add_page()
    _head(pdf, sheet)
    for section in sheet.sections:
        _Drawn(pdf, section).draw()
    _sign(pdf, sheet.words.signature)
    return bytes(pdf.output())


def _head(pdf: FPDF, sheet: Sheet) -> None:
    pdf.set_font(FONT, "B", _TITLE_PT)
    pdf.multi_cell(0, _TITLE_PT * _LINE_HEIGHT, sheet.title, new_x="LMARGIN", new_y="NEXT", align="C")
    pdf.ln(3)
    for label, text in sheet.head:
        pdf.set_font(FONT, "B", _TEXT_PT)
        pdf.cell(_LABEL_MM, _TEXT_PT * _LINE_HEIGHT, label)
        pdf.set_font(FONT, "", _TEXT_PT)
        pdf.multi_cell(0, _TEXT_PT * _LINE_HEIGHT, text or "–", new_x="LMARGIN", new_y="NEXT", align="L")


def _sign(pdf: FPDF, signature: str) -> None:
    if pdf.get_y() + 16 > pdf.h - _FOOT_MM:
        pdf.add_page()
    pdf.ln(10)
    pdf.set_font(FONT, "", _TEXT_PT)
    pdf.cell(0, 5, signature, new_x="LMARGIN", new_y="NEXT")


class _Drawn:
    """One section while it is drawn: in the largest size in which no word of it has to be cut."""

    def __init__(self, pdf: FPDF, section: Section) -> None:
        self.pdf, self.section = pdf, section
        self.known: dict[tuple[bool, str], float] = {}  # Widths of words at one point; most come again.
        self.is_bold, self.size = False, _CELL_PT[0]
        self.texts = [self._texts(row) for row in section.rows]
        self.totals = None if section.totals is None else self._texts(section.totals)
        needed = [self._longest(place) for place in range(len(section.columns))]
        fits = [size for size in _CELL_PT if sum(needed) * size + 2 * _PAD_MM * len(needed) <= pdf.epw]
        self.size = max(fits, default=_CELL_PT[-1])
        self.line = self.size * _LINE_HEIGHT
        self.widths = self._widths([width * self.size + 2 * _PAD_MM for width in needed])

    def _longest(self, place: int) -> float:
        """Return the width of a column's longest word, at one point."""
        words = {word for row in self.texts for word in row[place].split(" ")}
        bold = {*self.section.headings[place].split(" "), *(self.totals[place] if self.totals else "").split(" ")}
        return max(self._width(word, is_bold=is_bold) for is_bold, of in ((False, words), (True, bold)) for word in of)

    def _widths(self, needed: Sequence[float]) -> list[float]:
        """Return widths by weight, none below what it needs; all together at most the page."""
        weights = [column.weight or WEIGHTS[column.kind] for column in self.section.columns]
        room = min(self.pdf.epw, max(sum(needed), sum(weights) / _WIDE_MAX))
        if sum(needed) >= room:
            return [width * room / sum(needed) for width in needed]
        wanted = [max(weight * room / sum(weights) - need, 0) for weight, need in zip(weights, needed, strict=True)]
        spare = (room - sum(needed)) / (sum(wanted) or 1)
        return [need + want * spare for need, want in zip(needed, wanted, strict=True)]

    def draw(self) -> None:
        """Draw all of it."""
        self._title()
        self._headings()
        for texts in self.texts:
            self._row(texts, is_total=False)
        if self.totals is not None:
            self._row(self.totals, is_total=True)
        self.pdf.set_font(FONT, "", _NOTE_PT)
        for note in self.section.notes:
            self._room(3 * _NOTE_PT * _LINE_HEIGHT, again=False)
            self.pdf.set_font(FONT, "", _NOTE_PT)
            self.pdf.ln(0.8)
            self.pdf.multi_cell(0, _NOTE_PT * _LINE_HEIGHT, note, new_x="LMARGIN", new_y="NEXT", align="L")

    def _title(self) -> None:
        self.pdf.ln(4)
        self._room(30, again=False)
        self.pdf.set_font(FONT, "B", _HEAD_PT + 1)
        self.pdf.cell(0, 6, self.section.title, new_x="LMARGIN", new_y="NEXT")

    def _headings(self) -> None:
        """Draw groups, where there are any, above the columns that share them."""
        self._set_font(is_bold=True)
        if any(self.section.groups):
            names, widths = zip(*self._grouped(), strict=True)
            lines = [self._wrapped(name, width) for name, width in zip(names, widths, strict=True)]
            self._line(lines, widths, ["C"] * len(names), shaded=True)
        lines = [self._wrapped(text, width) for text, width in zip(self.section.headings, self.widths, strict=True)]
        self._line(lines, self.widths, ["C"] * len(lines), shaded=True)

    def _set_font(self, *, is_bold: bool) -> None:
        self.is_bold = is_bold
        self.pdf.set_font(FONT, "B" if is_bold else "", self.size)

    def _grouped(self) -> list[tuple[str, float]]:
        """Return each group with the width of its columns together."""
        pairs = zip(self.section.groups, self.widths, strict=True)
        return [(name, sum(width for _, width in part)) for name, part in groupby(pairs, key=lambda pair: pair[0])]

    def _texts(self, row: Row) -> list[str]:
        return [_on_paper(column, value) for column, value in zip(self.section.columns, row, strict=True)]

    def _row(self, texts: Sequence[str], *, is_total: bool) -> None:
        self._set_font(is_bold=is_total)
        lines = [self._wrapped(text, width) for text, width in zip(texts, self.widths, strict=True)]
        if self._room(max(map(len, lines)) * self.line + 2 * _PAD_MM, again=True):
            self._set_font(is_bold=is_total)
        aligned = ["R" if column.kind in _RIGHT else "L" for column in self.section.columns]
        self._line(lines, self.widths, aligned, shaded=is_total)

    def _room(self, height: float, *, again: bool) -> bool:
        """Begin a page, with the headings again if they are wanted, where there is no room; return whether."""
        if self.pdf.get_y() + height <= self.pdf.h - _FOOT_MM:
            return False
        self.pdf.add_page()
        if again:
            self._headings()
        return True

    def _wrapped(self, text: str, width: float) -> list[str]:
        """Return a text in lines that fit; a word that is too long is cut."""
        room, lines, line = (width - 2 * _PAD_MM) / self.size + _ROUNDED, [], ""
        for word in text.split(" "):
            joined = f"{line} {word}" if line else word
            if self._fits(joined, room):
                line = joined
                continue
            if line:
                lines.append(line)
            line = word
            while len(line) > 1 and not self._fits(line, room):
                fits = max(count for count in range(1, len(line)) if count == 1 or self._fits(line[:count], room))
                lines.append(line[:fits])
                line = line[fits:]
        return [*lines, line]

    def _fits(self, text: str, room: float) -> bool:
        return self._width(text, is_bold=self.is_bold) <= room

    def _width(self, text: str, *, is_bold: bool) -> float:
        """Return the width of a text at one point."""
        key = (is_bold, text)
        if key not in self.known:
            self.pdf.set_font(FONT, "B" if is_bold else "", 1)
            self.known[key] = self.pdf.get_string_width(text)
            self.pdf.set_font(FONT, "B" if self.is_bold else "", self.size)
        return self.known[key]

    def _line(
        self, lines: Sequence[Sequence[str]], widths: Sequence[float], aligned: Sequence[str], *, shaded: bool
    ) -> None:
        """Draw one row of boxes with their lines."""
        pdf, height = self.pdf, max(map(len, lines)) * self.line + 2 * _PAD_MM
        x, y = pdf.l_margin, pdf.get_y()
        pdf.set_fill_color(*_SHADE)
        pdf.set_line_width(0.1)
        for texts, width, align in zip(lines, widths, aligned, strict=True):
            pdf.rect(x, y, width, height, style="DF" if shaded else "D")
            for number, text in enumerate(texts):
                pdf.set_xy(x, y + _PAD_MM + number * self.line)
                pdf.cell(width, self.line, text, align=align)
            x += width
        pdf.set_xy(pdf.l_margin, y + height)


def _on_paper(column: Column, value: Value) -> str:
    """Return a cell as a person reads it: sums and numbers with separators."""
    if isinstance(value, int):
        if column.kind == "tiyn":
            return tenge_text(value)
        if column.kind == "count":
            return f"{value:,}"
    return text_of(column, value)
