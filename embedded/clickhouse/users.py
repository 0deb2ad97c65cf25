"""Who may ask: the users of the server, and how a request shows that it comes from one.

Reads     a users file (JSON: name -> password_sha256, loopback_only, role, blocked), or nothing: then there is
          `default` alone
Returns   a `User`; `Users`, which follows the file
Promises  a user without a password is heard on loopback only, unless the file says otherwise; passwords are compared
          in constant time and stand in no text; who is blocked in the file is refused from then on (clause J127-3..6;
          box: embedded)
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from esep.embedded.clickhouse.answers import refusal
from esep.errors import FileUnusable
from esep.store_roles import ROLES, Role

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = logging.getLogger("esep.clickhouse.users")

DEFAULT_USER = "default"


class User(BaseModel):
    """One user. password_sha256: in hexadecimal, None means that no password is asked for.

    role: of `esep.store_roles`; None is the line itself, which may do everything. What a role means for a connection is
    put in force by `sessions`, in one place, and for a statement by `guard`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    password_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    loopback_only: bool = True
    role: str | None = None
    blocked: bool = False

    @field_validator("role")
    @classmethod
    def _is_declared(cls, role: str | None) -> str | None:
        if role is not None and role not in ROLES:
            raise ValueError("no such role")
        return role

    @property
    def guarded_role(self) -> Role | None:
        """The role whose statements are looked at, or None for whoever does the line's own work."""
        role = ROLES[self.role] if self.role else None
        return role if role is not None and role.is_guarded else None


class Credentials(BaseModel):
    """What a request says of its user; given: whether it said anything at all."""

    model_config = ConfigDict(frozen=True)

    name: str = DEFAULT_USER
    password: str = ""
    given: bool = False


def read_users(path: Path | None) -> dict[str, User]:
    """Return the users by name. Raises FileUnusable if the file is not what it should be."""
    if path is None:
        return {DEFAULT_USER: User(name=DEFAULT_USER)}
    try:
        users = TypeAdapter(dict[str, User]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise FileUnusable(
            f"the users file {path} cannot be used",
            detail=str(error).splitlines()[0],  # The other lines of a ValidationError quote the input.
            hint='it is JSON such as {"default": {"password_sha256": null, "loopback_only": true}}',
        ) from error
    return {name: user.model_copy(update={"name": name}) for name, user in users.items()}


class Users:
    """The users as the file has them now: call it. A file that has become unusable leaves them as they were."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = self._look()
        self._users = read_users(path)

    def __call__(self) -> Mapping[str, User]:
        """Return the users by name."""
        if self._path is not None and (seen := self._look()) != self._seen:
            self._seen = seen
            try:
                self._users = read_users(self._path)
            except FileUnusable as error:
                log.error("%s", error)  # noqa: TRY400 - where it was raised says nothing
        return self._users

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else ()


def authenticate(users: Mapping[str, User], credentials: Credentials, peer: str) -> User:
    """Return the user that these credentials show. peer: the client's address.

    Raises QueryError: REQUIRED_PASSWORD if nothing was given and nothing does not do, else AUTHENTICATION_FAILED,
    the same for a wrong password, an unknown or blocked user and a wrong place.
    """
    user = users.get(credentials.name)
    expected = (user and user.password_sha256) or hashlib.sha256(b"").hexdigest()
    matches = hmac.compare_digest(hashlib.sha256(credentials.password.encode()).hexdigest(), expected)
    if user is not None and matches and not user.blocked and (not user.loopback_only or _is_loopback(peer)):
        return user
    if not credentials.given:
        raise refusal(194, "REQUIRED_PASSWORD", "Authentication is required")
    raise refusal(
        516,
        "AUTHENTICATION_FAILED",
        "Authentication failed: password is incorrect, or there is no user with such name from here",
    )


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
