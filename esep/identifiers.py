"""IIN and BIN: form, control digit, and the key that stands for a person.

Reads     one text
Returns   whether the number is well-formed; `PersonKeys`
Promises  no number ever enters an error text; digits are ASCII only; as `esep.identifier_columns` has it for many

The rule of the control digit: k = Σ a[i]·w[i] mod 11 with w = 1..11; if k = 10, again with w = 3..11, 1, 2; if 10
again, the number is not in use.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

_WEIGHTS = ((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2))  # First and second pass.
_IIN = re.compile(r"[0-9]{4}[0-3][0-9][0-6][0-9]{5}")
_BIN = re.compile(r"[0-9]{4}[4-6][0-9]{7}")
_PERSON_KEY_BYTES = 16  # 128 bits: no two of 20 million people collide in practice (about 6e-25).
_PERSON_KEYS_MAX = 4_000_000  # Entries kept in the cache, about 700 MB at the very worst; then it starts anew.


def is_iin(number: str) -> bool:
    """Return whether one text is a well-formed IIN.

    >>> is_iin("900101300007"), is_iin("000813159890")
    (True, False)
    """
    return _IIN.fullmatch(number) is not None and control_digit(number[:11]) == int(number[11])


def is_bin(number: str) -> bool:
    """Return whether one text is a well-formed BIN.

    >>> is_bin("940140000385"), is_bin("900101300007")
    (True, False)
    """
    return _BIN.fullmatch(number) is not None and control_digit(number[:11]) == int(number[11])


def masked(stream_id: str) -> str:
    """Return a stream id with stars for whatever twelve digits in it are an IIN: its name is the organizer's choice.

    >>> masked("desk-900101300007.1"), masked("940140000385-desk")
    ('desk-************.1', '940140000385-desk')
    """
    letters = list(stream_id)
    for found in re.finditer(r"(?=([0-9]{12}))", stream_id):
        if is_iin(found.group(1)):
            letters[found.start() : found.start() + 12] = "*" * 12
    return "".join(letters)


def control_digit(eleven_digits: str) -> int | None:
    """Return the twelfth digit for the first eleven, or None where the number is not in use.

    >>> control_digit("90010130000")
    7
    """
    digits = [int(digit) for digit in eleven_digits]
    for weights in _WEIGHTS:
        remainder = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
        if remainder != 10:
            return remainder
    return None


class PersonKeys:
    """IIN → person_key, the only name of a person outside a body (DESIGN §3), with a bounded cache.

    person_key = the first 16 bytes of HMAC-SHA256(routing key, IIN). The routing key never changes: partitions
    hang on it.
    """

    def __init__(self, routing_key: bytes) -> None:
        self._routing_key = routing_key
        self._known: dict[str, bytes] = {}

    def __call__(self, iins: list[str]) -> list[bytes]:
        """Return the 16-byte key of each IIN, in order."""
        known = self._known
        try:
            return [known[iin] for iin in iins]
        except KeyError:
            if len(known) + len(iins) > _PERSON_KEYS_MAX:
                known.clear()
            for iin in set(iins).difference(known):
                known[iin] = hmac.digest(self._routing_key, iin.encode(), sha256)[:_PERSON_KEY_BYTES]
            return [known[iin] for iin in iins]
