"""The words that events may use, and every code with which an event can be refused: declared once, here.

Reads     codes.yaml beside this file
Returns   the sets of allowed words; `REJECT_CODES` in order of precedence
Promises  two faults in one event have one answer: the code that stands first (DESIGN §4)

What the organizer can check offline with the same code (`esep.checks`) is `stateless`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from esep.yaml_text import from_yaml

EVENT_TYPES = ("WAGER", "PAYOUT", "DEPOSIT", "WITHDRAWAL")  # What moves money; each is a record of its own.
CHANNELS = ("ONLINE", "RETAIL")
FUNDINGS = ("CASH", "CARD", "BANK_TRANSFER", "E_MONEY", "MOBILE", "ACCOUNT_BALANCE", "BONUS")
PAYOUT_KINDS = ("WINNING", "REFUND", "CASH_OUT")
PAYMENT_METHODS = (
    "CASH",
    "CARD",
    "CREDIT_CARD",
    "BANK_TRANSFER",
    "E_MONEY",
    "MOBILE",
    "ACCOUNT",
)  # R2021-3: CREDIT_CARD
INSTRUMENT_KINDS = ("CARD", "BANK_ACCOUNT", "WALLET", "PHONE")
DEVICE_KINDS = ("PHONE", "TABLET", "COMPUTER", "TERMINAL", "CASH_DESK")  # D934-42, as the next.
BET_KINDS = ("SINGLE", "EXPRESS", "SYSTEM", "POOL")
ORGANIZER_KINDS = ("BOOKMAKER", "TOTALIZATOR")  # Clause O9-3.


class RejectCode(BaseModel):
    """Why an event was refused: code, field at fault, clause, and the text for a person in three languages.

    What is noted and refuses nothing is declared in `esep.flags`. needs: what the check needs beside the event itself.
    consumes: whether the event uses up its sequence number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    field: str | None = None
    clause: str
    needs: Literal["bytes", "topic", "state", "form", "time", "register", "us"]
    consumes: bool
    en: str
    ru: str
    kk: str

    @property
    def stateless(self) -> bool:
        """Whether the check needs nothing but the message."""
        return self.needs in {"bytes", "form"}


_DECLARED = Path(__file__).with_name("codes.yaml").read_text(encoding="utf-8")
REJECT_CODES = TypeAdapter(tuple[RejectCode, ...]).validate_python(from_yaml(_DECLARED))
INTERNAL = "INTERNAL"  # What our own code could not process (DESIGN §4).
BY_CODE = {code.code: code for code in REJECT_CODES}
PRECEDENCE = {code.code: place for place, code in enumerate(REJECT_CODES)}
