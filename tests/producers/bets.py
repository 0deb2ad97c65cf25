"""Files of bets for tests: a mapping of an organizer's own, and rows to write in its form."""

from __future__ import annotations

import secrets
from pathlib import Path

from esep.identifiers import control_digit
from esep.producers.mapping import Mapping

ROOT = Path(__file__).resolve().parents[2]
REAL_BETS = ROOT / "examples" / "bustabit-a.csv"
IINS = ("900101300007", "900101300811", "061211600012", "830717350867")  # Made up (LEGAL).
HEADER = "ticket,person,at,stake,paid,paid_at,kind"
DESK = Mapping.model_validate(
    {
        "columns": HEADER.split(","),
        "both": {
            "site_id": {"constant": "ALA-1"},
            "iin": {"text": "person"},
            "wager_id": {"text": "ticket"},
            "payment_method": {"constant": "CASH"},
        },
        "wager": {
            "occurred_at": {"instant": "at"},
            "amount_tiyn": {"tenge": "stake"},
            "channel": {"constant": "RETAIL"},
            "funding": {"constant": "CASH"},
        },
        "payout": {
            "when": {"column": "paid"},
            "occurred_at": {"instant": "paid_at"},
            "amount_tiyn": {"tenge": "paid"},
            "kind": {"text": "kind"},
            "won_tiyn": {"tenge": "paid"},
            "wager_occurred_at": {"instant": "at"},
            "wager_amount_tiyn": {"tenge": "stake"},
        },
    }
)


def lost(ticket: str, stake: str = "500", iin: str = IINS[0], at: str = "2026-11-20T10:00:00Z") -> str:
    """Return the row of a bet without a payout."""
    return f"{ticket},{iin},{at},{stake},,,"


def won(ticket: str, paid: str = "950.50", iin: str = IINS[0], at: str = "2026-11-20T10:00:00Z") -> str:
    """Return the row of a bet that was paid out half an hour later."""
    return f"{ticket},{iin},{at},500,{paid},{at.replace(':00:', ':30:')},WINNING"


def write_file(path: Path, *rows: str | bytes) -> Path:
    """Write the header and these rows."""
    lines = [row if isinstance(row, bytes) else row.encode() for row in (HEADER, *rows)]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def new_bin() -> str:
    """Return a well-formed BIN that no other test uses: topics are named after it."""
    while True:
        digits = f"94014{secrets.randbelow(10**6):06d}"
        control = control_digit(digits)
        if control is not None:
            return f"{digits}{control}"
