"""What an extract says of itself, signed: two lines of JSON.

Reads     facts about an extract and a signing key; or the bytes of a manifest and the authority's root
Returns   the bytes; `Manifest`, verified
Promises  pure; signed as receipts are, by a key that the root has certified and that was valid then; a signature of
          ours is good for nothing else; no person in it (O114-3, O114-C; decision 0031; box: sinks/clickhouse)

The second line is `{"signature": …}` in Base64: Ed25519 over "esep extract 1", a line feed, and the first line with its
line feed, as a day's statement has it (producers/day_statement.py).
"""

from __future__ import annotations

import base64
import json
from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

from cryptography.exceptions import InvalidSignature
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from esep.errors import FileUnusable, SettingInvalid
from esep.receipt_keys import certified_key

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from esep.receipt_keys import SigningKey

MANIFEST = "manifest.json"
_SIGNED = b"esep extract 1\n"
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileOf(_Part):
    """A file beside the manifest."""

    name: str
    sha256: _Hash
    size_bytes: int


class Done(_Part):
    """Who did something, and when."""

    officer: str
    at: AwareDatetime


class SumOf(_Part):
    """What postings of one type of event come to, corrections settled."""

    postings: int
    entries: int
    tiyn: int


class Covered(_Part):
    """Rows and offsets of one lane of the ledger that the extract was taken from."""

    partition: int
    cause_partition: int
    first_row: int
    last_row: int
    postings: int
    first_offset: int
    last_offset: int
    received_at: AwareDatetime


class Held(_Part):
    """Rows and offsets of one partition of the ledger that are in the extract."""

    partition: int
    postings: int
    first_row: int
    last_row: int
    first_offset: int
    last_offset: int


class Manifest(_Part):
    """What an extract says of itself.

    known_at: what was received later is left out; null: nothing is. checksum: SHA-256 of postings.csv, whether that is
    among the files or not. removed_months: of the period, those whose postings retention has removed.
    """

    format: Literal["esep-extract"] = "esep-extract"
    version: Literal[1] = 1
    request_id: str
    asker: str
    basis: str
    case_number: str
    is_about_person: bool
    organizer_bin: str
    first_day: date
    last_day: date
    known_at: AwareDatetime | None
    view: str
    columns_version: int
    columns_sha256: _Hash
    entered: Done
    approved: Done
    extracted: Done
    program: str
    language: str
    checksum: _Hash
    row_count: int
    sums: dict[str, SumOf]
    held: tuple[Held, ...]
    coverage: tuple[Covered, ...]
    removed_months: tuple[int, ...]
    files: tuple[FileOf, ...]
    key_id: str
    certificate: str


def sealed(manifest: Manifest, key: SigningKey) -> bytes:
    """Return a manifest signed; SettingInvalid if the key may not sign at the instant of the extract."""
    if not key.is_valid_at(manifest.extracted.at):
        raise SettingInvalid(
            "the key that signs receipts is not valid now", hint="`esep keys --renew-receipt-key` makes a new one"
        )
    line = manifest.model_dump_json().encode() + b"\n"
    signature = base64.b64encode(key.key.sign(_SIGNED + line)).decode()
    return line + json.dumps({"signature": signature}).encode() + b"\n"


def opened(content: bytes, root: Certificate) -> Manifest:
    """Return what a manifest says; FileUnusable unless the authority has signed it as it is."""
    line, end, rest = content.partition(b"\n")
    try:
        manifest = Manifest.model_validate_json(line)
        signature = base64.b64decode(json.loads(rest)["signature"], validate=True)
        certificate = base64.b64decode(manifest.certificate, validate=True)
        certified_key(certificate, root, manifest.extracted.at).verify(signature, _SIGNED + line + end)
    except InvalidSignature as error:
        raise _refused("its signature does not fit") from error
    except ValidationError as error:
        raise _refused("it is no manifest of an extract") from error
    except (ValueError, TypeError, KeyError) as error:
        raise _refused(str(error) or "it is no manifest of an extract") from error
    return manifest


def _refused(why: str) -> FileUnusable:
    return FileUnusable(
        "the extract is not as the authority signed it", detail=why, hint="check --receipt-root; ask for it again"
    )
