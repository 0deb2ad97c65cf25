"""Read what a request asks for out of its URL, headers and form fields.

Reads     an HTTP request as ClickHouse's clients send it
Returns   a `Request`
Promises  what is not known here and would change the answer is refused, not passed over; settings go to the engine as
          they came, which knows them better (box: embedded)
"""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from aiohttp import BodyPartReader, web

from esep.embedded.clickhouse.answers import QueryError, refusal
from esep.embedded.clickhouse.users import Credentials, authenticate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.embedded.clickhouse.users import User

SESSION_S = 60.0  # ClickHouse's default_session_timeout, and its max_session_timeout below.
SESSION_S_MAX = 3600.0
FIELD_BYTES_MAX = 16 * 1024 * 1024
_FIELDS_MAX = 10_000

# Parameters of the interface, not settings (ClickHouse, "HTTP interface"); `role` and the like are refused below.
_OWN = frozenset(
    {
        *("query", "database", "default_format", "user", "password", "quota_key", "query_id", "role", "stacktrace"),
        *("session_id", "session_timeout", "session_check", "close_session", "client_protocol_version"),
        *("wait_end_of_query", "buffer_size", "compress", "decompress"),
    }
)


@dataclass(frozen=True)
class Request:
    """One request, its body apart. tag: by which its statement is found among those that run."""

    user: User
    query: bytes
    query_id: str
    database: str
    default_format: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    session_id: str
    session_timeout_s: float
    session_must_exist: bool
    must_not_write: bool
    wait_for_end: bool
    content_encoding: str
    peer: str = ""

    @property
    def tag(self) -> str:
        """User and query id, as they stand in query_log."""
        return f"{self.user.name}/{self.query_id}"


async def read_request(http: web.Request, users: Mapping[str, User]) -> Request:
    """Return what a request asks for. A form (multipart) is read here, any other body is left to be read.

    Raises QueryError for a user who is not one, and for what cannot be done here.
    """
    fields = dict(_url_fields(http))
    user = authenticate(users, _credentials(http, fields), http.remote or "")
    if http.content_type == "multipart/form-data":
        fields |= await _form_fields(http)
    _refuse_unsupported(fields)
    return Request(
        user=user,
        query=fields.get("query", "").encode(errors="surrogateescape"),
        query_id=fields.get("query_id") or str(uuid.uuid4()),
        database=http.headers.get("X-ClickHouse-Database") or fields.get("database", ""),
        default_format=http.headers.get("X-ClickHouse-Format") or fields.get("default_format") or "TabSeparated",
        settings={name: value for name, value in fields.items() if name not in _OWN and not name.startswith("param_")},
        parameters={name[6:]: value for name, value in fields.items() if name.startswith("param_")},
        session_id=fields.get("session_id", ""),
        session_timeout_s=_session_timeout_s(fields),
        session_must_exist=_is_on(fields, "session_check"),
        must_not_write=http.method in {"GET", "HEAD"},
        wait_for_end=_is_on(fields, "wait_end_of_query"),
        content_encoding=http.headers.get("Content-Encoding", "").strip().lower(),
        peer=http.remote or "",
    )


def claimed_user(http: web.Request) -> str:
    """Return as whom a request comes by its own words, whether it is let in or not."""
    try:
        return _credentials(http, dict(_url_fields(http))).name
    except QueryError:
        return ""


def url_field(http: web.Request, name: str) -> str:
    """Return a field of the URL, empty without it."""
    return dict(_url_fields(http)).get(name, "")


def _url_fields(http: web.Request) -> list[tuple[str, str]]:
    # Not http.query: a query is bytes, which need not be UTF-8.
    raw = urlsplit(http.raw_path).query
    return parse_qsl(raw, keep_blank_values=True, errors="surrogateescape", max_num_fields=_FIELDS_MAX)


async def _form_fields(http: web.Request) -> dict[str, str]:
    fields: dict[str, str] = {}
    reader = await http.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.filename:
            raise refusal(
                48, "NOT_IMPLEMENTED", "External data: make a temporary table in a session and insert into it"
            )
        value = await part.read()
        if len(value) > FIELD_BYTES_MAX or len(fields) >= _FIELDS_MAX:
            raise refusal(229, "QUERY_IS_TOO_LARGE", f"A field of a form may have {FIELD_BYTES_MAX} bytes")
        fields[part.name or ""] = value.decode(errors="surrogateescape")
    return fields


def _credentials(http: web.Request, fields: Mapping[str, str]) -> Credentials:
    """Return what the request says of its user, in the order in which a server looks; mixing is refused there too."""
    by_header = {"X-ClickHouse-User", "X-ClickHouse-Key"} & http.headers.keys()
    by_url = {"user", "password"} & fields.keys()
    authorization = http.headers.get("Authorization", "")
    authorization = "" if authorization == "never" else authorization  # So the page keeps the browser's own out of it.
    if (authorization and (by_header or by_url)) or (by_header and by_url):
        raise refusal(516, "AUTHENTICATION_FAILED", "Invalid authentication: use one way of it, not several")
    if by_header:
        name = http.headers.get("X-ClickHouse-User", "default")
        return Credentials(name=name, password=http.headers.get("X-ClickHouse-Key", ""), given=True)
    if by_url:
        return Credentials(name=fields.get("user", "default"), password=fields.get("password", ""), given=True)
    return _basic(authorization) if authorization else Credentials()


def _basic(authorization: str) -> Credentials:
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        scheme = ""
    if scheme.lower() != "basic":
        raise refusal(
            516, "AUTHENTICATION_FAILED", "Invalid authentication: only Basic HTTP Authorization is known here"
        )
    return Credentials(name=name or "default", password=password, given=True)


def _refuse_unsupported(fields: Mapping[str, str]) -> None:
    if _is_on(fields, "compress") or _is_on(fields, "decompress"):
        raise refusal(48, "NOT_IMPLEMENTED", "compress, decompress: use HTTP compression (Accept-, Content-Encoding)")
    if fields.get("role"):
        raise refusal(512, "SET_NON_GRANTED_ROLE", "Role should be granted to set a current")


def _session_timeout_s(fields: Mapping[str, str]) -> float:
    text = fields.get("session_timeout", "")
    if not text:
        return SESSION_S
    if not text.isdecimal() or int(text) > SESSION_S_MAX:
        raise refusal(374, "INVALID_SESSION_TIMEOUT", f"Invalid session timeout: {text!r}, at most {SESSION_S_MAX:.0f}")
    return float(text)


def _is_on(fields: Mapping[str, str], name: str) -> bool:
    return fields.get(name, "") not in {"", "0", "false"}
