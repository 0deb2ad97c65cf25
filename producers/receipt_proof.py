"""Small files that prove something to whoever knows the authority's root and nothing else.

Reads     receipts and an organizer's own copy of its messages; or the bytes of such a file
Writes    nothing; returns the bytes of a proof, or what it proves
Promises  a proof holds only as it was made: any bit changed in it, but for the authority's time of issue, which is not
          signed, makes it worthless; no person's data (DESIGN §4 "Receipts"; clauses O9-4.5, O9-5.3; box: producers)

`esep-inclusion`: the message with this SHA-256 was taken in under this entry id. The hashes of `esep.mountains.prove`:
`path` from the message up to its peak, `peaks` the other ones from the left; root and root_through are those that the
signed receipt gives the stream.
`esep-extension`: what a later receipt says of a stream begins with the very messages that an earlier one spoke of. The
hashes of `esep.mountains.prove_extension`.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from esep.clock import to_ms
from esep.errors import FileUnusable, InvariantBroken, UsageError
from esep.identifiers import masked
from esep.mountains import path_length, prove, prove_extension, verify, verify_extension
from esep.producers.receipts import SignedReceipt, unseal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.x509 import Certificate

    from esep.producers.own_copy import OwnCopy
    from esep.producers.receipts import StreamAccount

PROOF_BYTES_MAX = 16 * 1024 * 1024  # Two of the largest receipts in Base64.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Sealed(_Part):
    """A receipt in a proof: Base64, and the time of issue in milliseconds since 1970 UTC."""

    content: str
    signature: str
    certificate: str
    issued_at_ms: int


class Inclusion(_Part):
    """The proof that a message was taken in. receipt: one that gives its stream a root over it."""

    format: Literal["esep-inclusion"]
    version: Literal[1]
    entry_id: str
    message_sha256: _Hash
    path: tuple[_Hash, ...]
    peaks: tuple[_Hash, ...]
    receipt: _Sealed


class Extension(_Part):
    """The proof that the root of a stream in a later receipt extends that in an earlier one."""

    format: Literal["esep-extension"]
    version: Literal[1]
    organizer_bin: str
    stream_id: str
    earlier: _Sealed
    later: _Sealed
    nodes: tuple[_Hash, ...]


class Proven(NamedTuple):
    """What a proof shows, for a person and for a program."""

    text: str
    document: dict[str, str | int]


_Proof = TypeAdapter[Inclusion | Extension](Annotated[Inclusion | Extension, Field(discriminator="format")])


def prove_inclusion(entry_id: str, receipts: Iterable[bytes], copy: OwnCopy, root: Certificate | None) -> bytes:
    """Return the proof that an event was taken in, by the first receipt whose root is over it.

    Raises UsageError for what is no entry id, or if no receipt reaches that far; InvariantBroken if a receipt does not
    verify or the copy gives another root; FileUnusable if the copy lacks messages.
    """
    bin_, stream_id, sequence = _entry(entry_id)
    for value in receipts:
        receipt = unseal(value)[0]
        account = _account(receipt, bin_, stream_id, root)
        if account is not None and account.root_through >= sequence:
            break
    else:
        raise _unreached(f"no receipt has a root over {masked(entry_id)}")
    series = copy.series(stream_id, 1, account.root_through)
    hashes, digest = prove(series, sequence), series[sequence - 1]
    if not verify(_root(account), account.root_through, sequence, digest, hashes):
        raise _differs(stream_id, account.root_through)
    length = path_length(account.root_through, sequence)
    return _file(
        Inclusion(
            format="esep-inclusion",
            version=1,
            entry_id=entry_id,
            message_sha256=digest.hex(),
            path=_hex(hashes[:length]),
            peaks=_hex(hashes[length:]),
            receipt=_sealed(receipt),
        )
    )


def prove_growth(
    organizer_bin: str, stream_id: str, receipts: Iterable[bytes], copy: OwnCopy, root: Certificate | None
) -> bytes:
    """Return the proof that the last root of a stream extends the first one that these receipts give.

    Raises as `prove_inclusion` does.
    """
    first: tuple[SignedReceipt, StreamAccount] | None = None
    last = first
    for value in receipts:
        receipt = unseal(value)[0]
        account = _account(receipt, organizer_bin, stream_id, root)
        if account is not None and account.root_through:
            first, last = first or (receipt, account), (receipt, account)
    if first is None or last is None:
        raise _unreached(f"no receipt has a root of stream {masked(stream_id)}")
    (earlier, before), (later, after) = first, last
    nodes = prove_extension(copy.series(stream_id, 1, after.root_through), before.root_through)
    if not verify_extension(_root(before), before.root_through, _root(after), after.root_through, nodes):
        raise _differs(stream_id, after.root_through)
    return _file(
        Extension(
            format="esep-extension",
            version=1,
            organizer_bin=organizer_bin,
            stream_id=stream_id,
            earlier=_sealed(earlier),
            later=_sealed(later),
            nodes=_hex(nodes),
        )
    )


def check_proof(content: bytes, root: Certificate) -> Proven:
    """Return what a proof shows under the authority's root.

    Raises FileUnusable for what is no proof, InvariantBroken for one that does not hold.
    """
    try:
        proof = _Proof.validate_json(content)
    except ValidationError as error:
        raise FileUnusable(
            "the file is no proof", detail=f"{error.error_count()} members are not as they must be"
        ) from error
    return _inclusion(proof, root) if isinstance(proof, Inclusion) else _extension(proof, root)


def _inclusion(proof: Inclusion, root: Certificate) -> Proven:
    bin_, stream_id, sequence = _entry(proof.entry_id)
    receipt = _unsealed(proof.receipt)
    account = _account(receipt, bin_, stream_id, root)
    if account is None or sequence > account.root_through:
        raise _broken(f"its receipt has no root over {masked(proof.entry_id)}")
    length = path_length(account.root_through, sequence)
    hashes = [bytes.fromhex(one) for one in (*proof.path, *proof.peaks)]
    leaf = bytes.fromhex(proof.message_sha256)
    if len(proof.path) != length or not verify(_root(account), account.root_through, sequence, leaf, hashes):
        raise _broken("its hashes do not lead to the root in its receipt")
    issued_at = receipt.issued_at.isoformat().replace("+00:00", "Z")
    return Proven(
        f"the message with SHA-256 {proof.message_sha256} was taken in as {proof.entry_id}; "
        f"receipt of {issued_at} over {account.root_through} messages of its stream",
        {
            "proves": proof.format,
            "entry_id": proof.entry_id,
            "message_sha256": proof.message_sha256,
            "root": account.root or "",
            "root_through": account.root_through,
            "issued_at": issued_at,
        },
    )


def _extension(proof: Extension, root: Certificate) -> Proven:
    sealed = (_unsealed(proof.earlier), _unsealed(proof.later))
    before, after = (_account(one, proof.organizer_bin, proof.stream_id, root) for one in sealed)
    if before is None or after is None or not 1 <= before.root_through <= after.root_through:
        raise _broken("its receipts have no roots of the stream, one behind the other")
    nodes = [bytes.fromhex(one) for one in proof.nodes]
    if not verify_extension(_root(before), before.root_through, _root(after), after.root_through, nodes):
        raise _broken("its hashes do not lead from one root to the other")
    return Proven(
        f"the first {before.root_through} of the {after.root_through} messages of {proof.stream_id} "
        f"of {proof.organizer_bin} are those that the earlier receipt spoke of",
        {
            "proves": proof.format,
            "organizer_bin": proof.organizer_bin,
            "stream_id": proof.stream_id,
            "earlier_root_through": before.root_through,
            "root_through": after.root_through,
        },
    )


def _entry(entry_id: str) -> tuple[str, str, int]:
    parts = entry_id.split("/")
    if len(parts) != 3 or not (parts[2].isascii() and parts[2].isdigit()) or str(int(parts[2])) != parts[2]:
        raise UsageError(f"{masked(entry_id)!r} is no entry id", hint="write it as BIN/stream/sequence")
    return parts[0], parts[1], int(parts[2])


def _account(
    receipt: SignedReceipt, organizer_bin: str, stream_id: str, root: Certificate | None
) -> StreamAccount | None:
    """Return the account of a stream in a receipt of this organizer that verifies, None if it has none."""
    content = receipt.verified(root)
    return content.stream(stream_id) if content.organizer_bin == organizer_bin else None


def _root(account: StreamAccount) -> bytes:
    return bytes.fromhex(account.root or "")


def _sealed(receipt: SignedReceipt) -> _Sealed:
    parts = (receipt.content, receipt.signature, receipt.certificate)
    content, signature, certificate = (base64.b64encode(part).decode() for part in parts)
    return _Sealed(content=content, signature=signature, certificate=certificate, issued_at_ms=to_ms(receipt.issued_at))


def _unsealed(sealed: _Sealed) -> SignedReceipt:
    content, signature, certificate = map(_base64, (sealed.content, sealed.signature, sealed.certificate))
    try:
        issued_at = _EPOCH + timedelta(milliseconds=sealed.issued_at_ms)
    except OverflowError as error:
        raise _broken("its receipt was issued at no time") from error
    return SignedReceipt(content, signature, certificate, issued_at)


def _base64(text: str) -> bytes:
    """Return the bytes of a text that is exactly what `_sealed` makes of them."""
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        found = b""
    if base64.b64encode(found).decode() != text:
        raise FileUnusable("the file is no proof", detail="its Base64 is not as it must be")
    return found


def _hex(hashes: list[bytes]) -> tuple[str, ...]:
    return tuple(one.hex() for one in hashes)


def _file(proof: Inclusion | Extension) -> bytes:
    return proof.model_dump_json(indent=1).encode() + b"\n"


def _unreached(what: str) -> UsageError:
    return UsageError(what, hint="has the event been sent, and is none missing before it? see `esep gaps`")


def _differs(stream_id: str, count: int) -> InvariantBroken:
    return InvariantBroken(
        f"the copy and the receipt have different roots over {count:,} messages of stream {masked(stream_id)}",
        hint="`esep receipts verify --copy` says from which receipt on",
    )


def _broken(why: str) -> InvariantBroken:
    return InvariantBroken("the proof does not hold", detail=why, hint="ask for it again, from whoever made it")
