"""Quotas of Kafka's users: asked for and set by the protocol itself, for no Python client has these requests.

Reads     the broker's answers to DescribeClientQuotas (48)
Writes    AlterClientQuotas (49): quotas of users, of no client ids and addresses
Promises  all changes of a call or an error that names the first refused (kafka.apache.org/protocol, KIP-546);
          when a change returns, every broker that answers tells it
"""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from esep.errors import BrokerUnavailable, SettingInvalid
from esep.kafka_wire import call, connect_any, read_text, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DESCRIBE_CLIENT_QUOTAS, ALTER_CLIENT_QUOTAS = 48, 49
ANSWER_S_MAX = 10.0
_ASK_AGAIN_S = 0.05
_ANY_NAME = 2  # Match type: every entity of the type that has a quota.


class QuotaChange(NamedTuple):
    """One quota of one user; value None: it is taken away."""

    user: str
    key: str
    value: float | None


def user_quotas(bootstrap_servers: str, security: Mapping[str, str]) -> dict[tuple[str, str], float]:
    """Return each quota by user and key. Raises BrokerUnavailable, SettingInvalid."""
    body = struct.pack(">i", 1) + text("user") + struct.pack(">bhb", _ANY_NAME, -1, 1)
    with connect_any(bootstrap_servers, security, ANSWER_S_MAX) as connection:
        return read_quotas(call(connection, DESCRIBE_CLIENT_QUOTAS, 0, body))


def alter_user_quotas(bootstrap_servers: str, security: Mapping[str, str], changes: Sequence[QuotaChange]) -> None:
    """Set and take away quotas. Raises BrokerUnavailable, SettingInvalid if one is refused."""
    with connect_any(bootstrap_servers, security, ANSWER_S_MAX) as connection:
        refuse_errors(call(connection, ALTER_CLIENT_QUOTAS, 0, alteration(changes)))
    for server in bootstrap_servers.split(","):
        with suppress(BrokerUnavailable):  # One that is away learns of it before it serves again.
            _until_told(server, security, changes)


def _until_told(server: str, security: Mapping[str, str], changes: Sequence[QuotaChange]) -> None:
    """Return once this broker tells the changes: the controller answers before the brokers know."""
    deadline = time.monotonic() + ANSWER_S_MAX
    while True:
        told = user_quotas(server, security)
        if all(told.get((change.user, change.key)) == change.value for change in changes):
            return
        if time.monotonic() > deadline:
            raise SettingInvalid(f"Kafka at {server} does not take up quotas that it was given")
        time.sleep(_ASK_AGAIN_S)


def alteration(changes: Sequence[QuotaChange]) -> bytes:
    """Return the body of a request that makes these changes."""
    by_user: dict[str, list[QuotaChange]] = {}
    for change in changes:
        by_user.setdefault(change.user, []).append(change)  # The broker takes one entry per user.
    body = struct.pack(">i", len(by_user))
    for user, of_user in by_user.items():
        body += struct.pack(">i", 1) + text("user") + text(user) + struct.pack(">i", len(of_user))
        for _, key, value in of_user:
            body += text(key) + struct.pack(">d?", value or 0.0, value is None)
    return body + struct.pack(">?", False)  # To be done, not only validated.


def read_quotas(answer: bytes) -> dict[tuple[str, str], float]:
    """Return the quotas in an answer, of named users alone; SettingInvalid if it is an error."""
    _, error = struct.unpack_from(">ih", answer)
    why, at = read_text(answer, 6)
    if error != 0:
        raise _refused(error, why)
    quotas = {}
    entries, at = _count(answer, at)
    for _ in range(entries):
        entity: dict[str, str] = {}
        parts, at = _count(answer, at)
        for _ in range(parts):
            kind, at = read_text(answer, at)
            entity[kind], at = read_text(answer, at)
        values, at = _count(answer, at)
        for _ in range(values):
            key, at = read_text(answer, at)
            (value,) = struct.unpack_from(">d", answer, at)
            at += 8
            if entity.get("user"):  # An empty name is the default of all users.
                quotas[entity["user"], key] = value
    return quotas


def refuse_errors(answer: bytes) -> None:
    """Raise SettingInvalid for the first change that was refused."""
    entries, at = _count(answer, 4)
    for _ in range(entries):
        (error,) = struct.unpack_from(">h", answer, at)
        why, at = read_text(answer, at + 2)
        if error != 0:
            raise _refused(error, why)
        parts, at = _count(answer, at)
        for _ in range(2 * parts):
            _, at = read_text(answer, at)


def _count(answer: bytes, at: int) -> tuple[int, int]:
    return max(0, struct.unpack_from(">i", answer, at)[0]), at + 4


def _refused(error: int, why: str) -> SettingInvalid:
    return SettingInvalid(
        "Kafka refused to tell or set quotas",
        detail=f"error {error} {why}".strip(),
        hint="act as the principal admin: ESEP_KAFKA_USER, ESEP_KAFKA_PASSWORD_FILE",
    )
