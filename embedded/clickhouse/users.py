"""Who may ask: the users of the server, and how a request shows that it comes from one.

Reads     a users file (JSON: name -> password_sha256, loopback_only), or nothing: then there is `default` alone
Returns   a `User`
Promises  a user without a password is heard on loopback only, unless the file says otherwise; passwords are compared
          in constant time and stand in no text (box: embedded)
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from esep.embedded.clickhouse.answers import refusal
from esep.errors import FileUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_USER = "default"


class User(BaseModel):
    """One user. password_sha256: in hexadecimal, None means that no password is asked for.

    Roles and limits go here; what they mean for a connection is put in force by `sessions`, in one place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    password_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    loopback_only: bool = True


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


def authenticate(users: Mapping[str, User], credentials: Credentials, peer: str) -> User:
    """Return the user that these credentials show. peer: the client's address.

    Raises QueryError: REQUIRED_PASSWORD if nothing was given and nothing does not do, else AUTHENTICATION_FAILED,
    the same for a wrong password, an unknown user and a wrong place.
    """
    user = users.get(credentials.name)
    expected = (user and user.password_sha256) or hashlib.sha256(b"").hexdigest()
    matches = hmac.compare_digest(hashlib.sha256(credentials.password.encode()).hexdigest(), expected)
    if user is not None and matches and (not user.loopback_only or _is_loopback(peer)):
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
