"""How an answer looks: errors with their codes, HTTP status, the summary, the type of each format.

Reads     codes and texts of the engine
Returns   `QueryError`, `Summary`, HTTP statuses and header values
Promises  errors have ClickHouse's form, those of ours too, so that clients parse them (box: embedded)
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

_CODE = re.compile(r"Code: (\d+)\. ")

# Which status goes with which exception: ClickHouse, src/Server/HTTP/exceptionCodeToHTTPStatus.cpp; the rest is 500.
_BAD_REQUEST = frozenset(
    (6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676)
)
_NOT_FOUND = frozenset((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511))
_FORBIDDEN = frozenset((192, 193, 497, 512, 516))
_STATUS = {194: 401, 159: 408, 381: 411, 229: 413, 779: 415, 48: 501, 76: 503, 209: 503, 439: 503}
_STATUS |= dict.fromkeys(_BAD_REQUEST, 400) | dict.fromkeys(_NOT_FOUND, 404) | dict.fromkeys(_FORBIDDEN, 403)

_CONTENT_TYPES = (  # By how a format's name begins; the first that fits. Source: ClickHouse, "contentType" of formats.
    ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
    ("TSV", "text/tab-separated-values; charset=UTF-8"),
    ("CSV", "text/csv; charset=UTF-8"),
    ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSONStringsEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSONCompactEachRow", "application/x-ndjson; charset=UTF-8"),
    ("JSONLines", "application/x-ndjson; charset=UTF-8"),
    ("JSON", "application/json; charset=UTF-8"),
    ("XML", "application/xml; charset=UTF-8"),
    ("Pretty", "text/plain; charset=UTF-8"),
    ("Vertical", "text/plain; charset=UTF-8"),
    ("Values", "text/plain; charset=UTF-8"),
    ("Markdown", "text/markdown; charset=UTF-8"),
)


class QueryError(Exception):
    """What a client gets in place of a result. code: ClickHouse's number; the text is ClickHouse's, or has its form."""

    def __init__(self, text: str) -> None:
        # chdb puts words of its own before the engine's.
        super().__init__(text[max(text.find("Code: "), 0) :].strip())
        found = _CODE.search(text)
        self.code = int(found[1]) if found else 1001  # STD_EXCEPTION: what ClickHouse calls the ones it did not raise.

    @property
    def status(self) -> int:
        """The HTTP status that a server gives with this code."""
        return _STATUS.get(self.code, 500)


def refusal(code: int, name: str, text: str) -> QueryError:
    """Return an error of our own in the engine's form.

    >>> print(refusal(373, "SESSION_IS_LOCKED", "Session is locked by a concurrent client"))
    Code: 373. DB::Exception: Session is locked by a concurrent client. (SESSION_IS_LOCKED)
    """
    return QueryError(f"Code: {code}. DB::Exception: {text}. ({name})")


@dataclass(frozen=True)
class Summary:
    """What a statement read, wrote and took, for X-ClickHouse-Summary."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    total_rows_to_read: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0

    def header(self) -> str:
        """Return the header's value: JSON in which every number is a text, as the server has it."""
        return json.dumps({name: str(value) for name, value in asdict(self).items()}, separators=(",", ":"))


def content_type(output_format: str) -> str:
    """Return the Content-Type of a result in this format.

    >>> content_type("JSONCompact"), content_type("Native")
    ('application/json; charset=UTF-8', 'application/octet-stream')
    """
    fits = (name for prefix, name in _CONTENT_TYPES if output_format.lower().startswith(prefix.lower()))
    return next(fits, "application/octet-stream")


def late_error(error: QueryError, tag: str) -> bytes:
    """Return the bytes that end a body whose status has been sent already; tag: from X-ClickHouse-Exception-Tag.

    Source: ClickHouse from 25.11 on; clickhouse-connect, `extract_exception_with_tag`.
    """
    text = f"{error}\n".encode()
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag.encode(), text, len(text), tag.encode())
