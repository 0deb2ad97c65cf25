"""What commands are given as texts: days, and who is at work.

Reads     options as they were typed; who is logged in here
Returns   `day_of`, `officer_of`
Promises  a text that is none is a UsageError that names its option, and shows no person's number (clause O9-5.1)
"""

from __future__ import annotations

import getpass
from datetime import date

from esep.errors import UsageError
from esep.identifiers import masked


def day_of(text: str, option: str) -> date:
    """Return a day of Almaty.

    >>> day_of("2026-11-01", "--from")
    datetime.date(2026, 11, 1)
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} is no day", hint="write it as 2026-11-01") from error


def officer_of(login: str) -> str:
    """Return the login that stands in books and reports; by default that of who is logged in here."""
    who = login or getpass.getuser()
    if masked(who) != who:
        raise UsageError("a number of a person may stand in no login")
    return who
