"""Means of payment: one normal form per kind, and the hash under which an organizer reports one.

Reads     a kind of `esep.codes.INSTRUMENT_KINDS` and a number as it was entered
Returns   its normal form, or None where it is none; `InstrumentKey`, which makes `instrument_hash` of it
Promises  two ways of writing one instrument give one hash at every organizer that holds the key; an instrument never
          enters an error text (DESIGN §3; clause D934-1..3; decision 0014; boxes: producers)

First, for every kind: Unicode NFKC, then blanks are removed. Then:
  CARD          hyphens removed; 12 to 19 digits whose last one is Luhn's
  BANK_ACCOUNT  hyphens removed, upper case; an IBAN with right check digits, one of Kazakhstan 20 characters long
  WALLET        lower case; provider, colon, account
  PHONE         hyphens, dots and brackets removed; "+" and country first; 8… and ten digits from 7 on are +7
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_HYPHENS = re.compile("[-\u2010-\u2015\u2212]")  # What programs make of a hyphen, the minus sign included.
_CARD = re.compile(r"[0-9]{12,19}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_IBAN_KZ_CHARS = 20
_WALLET = re.compile(r"[a-z0-9._-]{1,40}:[a-z0-9@._+-]{1,80}")
_PHONE = re.compile(r"\+(7[0-9]{10}|[1-689][0-9]{7,14})")  # E.164; of +7 all numbers have eleven digits.
_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # The sum of the digits of twice a digit.


def normalised(kind: str, number: str) -> str | None:
    """Return the normal form of an instrument, or None if it is none of that kind; KeyError for an unknown kind.

    >>> normalised("CARD", "4111 1111-1111 1111"), normalised("PHONE", "8 (701) 123-45-67")
    ('4111111111111111', '+77011234567')
    >>> normalised("CARD", "4111 1111 1111 1112") is None
    True
    """
    rule = _RULES[kind]
    return rule("".join(unicodedata.normalize("NFKC", number).split()))


@dataclass(frozen=True, slots=True)
class InstrumentKey:
    """One key that the authority issues to organizers; `version` stands beside every hash made with it."""

    version: int
    secret: bytes = field(repr=False)

    def digest(self, kind: str, number: str) -> str | None:
        """Return `instrument_hash`: HMAC-SHA256 over "KIND:normal form" in UTF-8, 64 hex digits; None if it is none.

        >>> InstrumentKey(1, bytes(32)).digest("PHONE", "+7 701 123 45 67")[:16]
        'a20328e63d5e9705'
        """
        normal = normalised(kind, number)
        return None if normal is None else hmac.new(self.secret, f"{kind}:{normal}".encode(), sha256).hexdigest()


def _card(text: str) -> str | None:
    digits = _HYPHENS.sub("", text)
    return digits if _CARD.fullmatch(digits) and _luhn_ok(digits) else None


def _luhn_ok(digits: str) -> bool:
    from_right = [int(digit) for digit in reversed(digits)]
    return (sum(from_right[::2]) + sum(_LUHN_DOUBLED[digit] for digit in from_right[1::2])) % 10 == 0


def _bank_account(text: str) -> str | None:
    iban = _HYPHENS.sub("", text).upper()
    if not _IBAN.fullmatch(iban) or (iban.startswith("KZ") and len(iban) != _IBAN_KZ_CHARS):
        return None
    as_digits = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])  # ISO 13616: A is 10, Z is 35.
    return iban if int(as_digits) % 97 == 1 else None


def _wallet(text: str) -> str | None:
    wallet = text.lower()
    return wallet if _WALLET.fullmatch(wallet) else None


def _phone(text: str) -> str | None:
    phone = re.sub(r"[.()]", "", _HYPHENS.sub("", text))
    if re.fullmatch(r"[78][0-9]{10}", phone):
        phone = f"+7{phone[1:]}"
    elif re.fullmatch(r"7[0-9]{9}", phone):
        phone = f"+7{phone}"
    elif phone.startswith("00"):
        phone = f"+{phone[2:]}"
    return phone if _PHONE.fullmatch(phone) else None


_RULES: dict[str, Callable[[str], str | None]] = {
    "CARD": _card,
    "BANK_ACCOUNT": _bank_account,
    "WALLET": _wallet,
    "PHONE": _phone,
}
