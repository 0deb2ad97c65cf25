"""Money as an integer of tiyn (1/100 tenge): limits, and text to tiyn without a float in between.

Reads     one text
Returns   tiyn, or None where the text is no amount in whole tiyn
Promises  exact: what is returned is 100 times the number that the text names, never rounded (DESIGN §3)
"""

from __future__ import annotations

import re
from decimal import Context, Decimal

AMOUNT_TIYN_MAX = 10**13  # One hundred billion tenge: more than any bet, far from 2**63 (DESIGN §3).
SUM_TIYN_MAX = 4 * 10**18  # A running total beyond this stops the stage; 2**63 is 9.2e18, one poll adds < 1e18.
_DECIMAL = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?")  # ASCII, and bounded.
_EXACT = Context(prec=200)  # More digits than any text that _DECIMAL lets through can stand for.


def tiyn_from_text(text: str) -> int | None:
    """Return the amount in tiyn, or None if the text is no decimal number, or has a fraction of a tiyn.

    A number has up to 30 digits on each side of the point and an exponent of up to two.

    >>> tiyn_from_text("1.15e+06"), tiyn_from_text("0.53"), tiyn_from_text("0.005"), tiyn_from_text("NA")
    (115000000, 53, None, None)
    """
    number = text.strip()
    if not _DECIMAL.fullmatch(number):
        return None
    tiyn = Decimal(number).scaleb(2, _EXACT)
    return int(tiyn) if tiyn == tiyn.to_integral_value() else None


def tenge_text(tiyn: int) -> str:
    """Return tiyn as tenge for a person to read.

    >>> tenge_text(123456789)
    '1,234,567.89'
    """
    sign, whole = ("-", -tiyn) if tiyn < 0 else ("", tiyn)
    return f"{sign}{whole // 100:,}.{whole % 100:02d}"
