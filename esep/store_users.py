"""Who may log in to ClickHouse: applications, what was decided about them, blocks; and the accounts that follow.

Reads     the journal `applications.jsonl` in its folder
Writes    lines at its end, a chain (`esep.hash_chain`); `users.json`, which the embedded server follows
Promises  nobody has a password without an application that was granted, with who decided it and why; a block counts at
          once and stays until a new application is granted; a password is told once and kept as a digest only; the
          journal is only added to (clauses J127-3..6, J127-9)
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from esep.errors import UsageError
from esep.hash_chain import Chain, lines
from esep.identifiers import masked
from esep.keys import write_secret
from esep.store_roles import ROLES

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL, USERS_FILE = "applications.jsonl", "users.json"
TERM = timedelta(days=1)  # J127-3..6: decided within one day.
_USER = re.compile(r"[a-z][a-z0-9_.-]{1,39}")
_OURS = frozenset(("default", "line", "esep_views", *ROLES))
_ALMATY = ZoneInfo("Asia/Almaty")


@dataclass(frozen=True, slots=True)
class Account:
    """One user as the journal leaves him.

    state: APPLIED, GRANTED, REFUSED or BLOCKED; due_at: of a decision that waits.
    """

    user: str
    role: str
    state: str
    person: str
    unit: str
    reason: str
    decided_by: str = ""
    decision: str = ""
    due_at: str = ""
    agreement: str = ""
    password_sha256: str = ""

    @property
    def is_blocked(self) -> bool:
        """Whether he once could log in and cannot now."""
        return self.state != "GRANTED" and bool(self.password_sha256)


class Application(NamedTuple):
    """What is applied for (J127, App. 2). agreement: number of the signed agreement (J127-9)."""

    user: str
    role: str
    person: str
    unit: str
    reason: str
    agreement: str


class StoreUsers:
    """The journal in a folder, and what follows from it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.journal = folder / JOURNAL
        self.users_file = folder / USERS_FILE

    def accounts(self) -> dict[str, Account]:
        """Return the users of the journal by name, in the order of their first application."""
        found: dict[str, Account] = {}
        for line in lines(self.journal) if self.journal.exists() else ():
            _follow(found, line)
        return found

    def apply(self, asked: Application, at: datetime) -> Account:
        """Note an application. Raises UsageError for a role or name that cannot be, or while one waits."""
        if asked.role not in ROLES:
            raise UsageError(f"there is no role {asked.role!r}", hint=f"one of {', '.join(ROLES)}")
        if _USER.fullmatch(asked.user) is None or asked.user in _OURS:
            raise UsageError("this cannot be a user's name", hint="small letters, digits, _ . - ; not a role's name")
        texts = {name: _said(name, text) for name, text in asked._asdict().items()}
        account = self.accounts().get(asked.user)
        if account is not None and account.state in {"APPLIED", "GRANTED"}:
            waits = account.state == "APPLIED"
            what = "has an application that waits" if waits else f"has the role {account.role} already"
            raise UsageError(
                f"{asked.user} {what}", hint="decide it" if waits else "block the user before another role"
            )
        return self._note("APPLIED", at, due_at=_told(at + TERM), **texts)

    def decide(self, user: str, *, granted: bool, by: str, reason: str, at: datetime) -> tuple[Account, str]:
        """Note a decision; return the account and, where it is granted, its new password (else nothing)."""
        account = self._known(user)
        if account.state != "APPLIED":
            raise UsageError(f"no application of {user} waits for a decision")
        password = secrets.token_urlsafe(18) if granted else ""
        digest = hashlib.sha256(password.encode()).hexdigest() if granted else ""
        state = "GRANTED" if granted else "REFUSED"
        texts = {"by": _said("by", by), "reason": _said("reason", reason)}
        return self._note(state, at, user=user, password_sha256=digest, **texts), password

    def block(self, user: str, *, by: str, reason: str, at: datetime) -> Account:
        """Shut a user out at once."""
        self._known(user)
        return self._note("BLOCKED", at, user=user, by=_said("by", by), reason=_said("reason", reason))

    def write_users(self) -> None:
        """Write the embedded server's users file: the line's own user as it stands there, and the accounts."""
        kept: dict[str, dict[str, Any]] = {"default": {}}
        if self.users_file.exists():
            kept = {"default": json.loads(self.users_file.read_text(encoding="utf-8")).get("default", {})}
        for account in self.accounts().values():
            if account.password_sha256:
                kept[account.user] = {
                    "password_sha256": account.password_sha256,
                    "loopback_only": False,
                    "role": account.role,
                    "blocked": account.is_blocked,
                }
        write_secret(self.users_file, json.dumps(kept, indent=1))

    def _known(self, user: str) -> Account:
        account = self.accounts().get(user)
        if account is None:
            raise UsageError(f"nobody has applied as {masked(user)!r}", hint="see `esep users list`")
        return account

    def _note(self, state: str, at: datetime, **more: str) -> Account:
        chain = Chain(self.journal)
        try:
            chain.append({"at": _told(at), "state": state, **more})
        finally:
            chain.close()
        self.write_users()
        return self.accounts()[more["user"]]


def _follow(found: dict[str, Account], line: dict[str, Any]) -> None:
    user, state = line["user"], line["state"]
    if state == "APPLIED":
        before = found.get(user)
        found[user] = Account(
            user,
            line["role"],
            "APPLIED",
            line["person"],
            line["unit"],
            line["reason"],
            due_at=line["due_at"],
            agreement=line["agreement"],
            password_sha256=before.password_sha256 if before else "",  # Of who was blocked: he stays so until decided.
        )
        return
    account = replace(found[user], state=state, decided_by=line["by"], decision=line["reason"], due_at="")
    found[user] = replace(account, password_sha256=line.get("password_sha256") or account.password_sha256)


def _told(at: datetime) -> str:
    return at.astimezone(_ALMATY).isoformat(timespec="seconds")


def _said(name: str, text: str) -> str:
    """Return a text of the journal, no blanks around it, no person's number in it; UsageError if it is empty."""
    said = masked(text.strip())
    if not said:
        raise UsageError(f"{name} is not said", hint="the journal keeps it with the application")
    return said
