"""A report as CSV: RFC 4180, UTF-8, sections one below the other.

Reads     a `Sheet`
Returns   the bytes of the file
Promises  pure; sums are tenge with two decimals, numbers have no separators, so that what is written is what is summed
          (box: sinks/clickhouse)
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from esep.sinks.clickhouse.reports.sheet import section_grid, text_of

if TYPE_CHECKING:
    from esep.sinks.clickhouse.reports.sheet import Sheet


def csv_of(sheet: Sheet) -> bytes:
    """Return a report as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([sheet.title])
    writer.writerows(sheet.head)
    for section in sheet.sections:
        writer.writerow([])
        for row in section_grid(section):
            writer.writerow([text_of(column, value) for column, value in zip(section.columns, row, strict=False)])
    return text.getvalue().encode()
