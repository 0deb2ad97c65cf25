"""Who asks: an organizer's name and password, tried at the broker, and what is kept open for it afterwards.

Reads     the answer of the broker to a login
Returns   `Session`: a producer and a reader of receipts that act as the organizer, with its own credentials
Promises  nobody is let in whom the broker has not let in within SESSION_S; a wrong password ends nobody else's session;
          no password is kept but inside the clients that log in with it; the number of sessions is bounded (clauses
          O9-4.2, O114-3; box: gateway)

On a plain line, which asks nobody who he is, the name alone counts; such a gateway listens on loopback only.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from esep.delivery import Delivery
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.gateway.problems import Problem
from esep.gateway.receipt_log import ReceiptLog
from esep.identifiers import is_bin
from esep.kafka_wire import connect_any
from esep.security import PLAIN, librdkafka_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SESSION_S = 300.0  # Then the broker is asked again: so long a password that was replaced may still be good.
SESSIONS_MAX = 256
_LOGIN_S = 10.0
_PASSWORD_BYTES_MAX = 1024


@dataclass(slots=True)
class Session:
    """One organizer that the broker has let in. good_until_s: on the monotonic clock."""

    organizer_bin: str
    delivery: Delivery
    receipts: ReceiptLog
    fingerprint: bytes
    good_until_s: float


class Sessions:
    """The organizers that are logged in; for several threads at once.

    ca_pem: the certificate by which the brokers are known; None on a plain line. deliver_s: as `Delivery` has it.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        ca_pem: str | None,
        *,
        deliver_s: float = 20.0,
        login_s: float = _LOGIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._ca_pem = ca_pem
        self._deliver_s = deliver_s
        self._login_s = login_s
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._open: dict[str, Session] = {}  # In order of use, the longest unused first.
        self._lock = threading.Lock()

    def open(self, user: str, password: str) -> Session:
        """Return the session of an organizer. Problem CREDENTIALS_REFUSED, ACCESS_REFUSED or BROKER_UNAVAILABLE."""
        if not is_bin(user) or len(password.encode()) > _PASSWORD_BYTES_MAX:
            raise Problem("CREDENTIALS_REFUSED")
        fingerprint = self._fingerprint(password)
        known = self._known(user, fingerprint)
        if known is not None and self._clock() < known.good_until_s:
            return known
        security = self._logged_in(user, password, known)
        if known is None:
            known = self._new(user, security, fingerprint)
        known.good_until_s = self._clock() + SESSION_S
        return self._keep(known)

    def drop(self, session: Session) -> None:
        """Forget a session that met an error: the next request logs in anew."""
        with self._lock:
            if self._open.get(session.organizer_bin) is session:
                del self._open[session.organizer_bin]
        session.receipts.close()

    def close(self) -> None:
        """Forget all of them."""
        for session in list(self._open.values()):
            self.drop(session)

    def _known(self, user: str, fingerprint: bytes) -> Session | None:
        with self._lock:
            session = self._open.get(user)
            if session is None or not hmac.compare_digest(session.fingerprint, fingerprint):
                return None
            self._open[user] = self._open.pop(user)
            return session

    def _logged_in(self, user: str, password: str, known: Session | None) -> Mapping[str, str]:
        """Return the properties of clients with these credentials, once the broker has let them in."""
        if self._ca_pem is None:
            return PLAIN
        security = librdkafka_properties(user, password, self._ca_pem)
        try:
            connect_any(self.bootstrap_servers, security, self._login_s).close()
        except SettingInvalid:
            if known is not None:
                self.drop(known)
            raise Problem("CREDENTIALS_REFUSED") from None
        except BrokerUnavailable as error:
            raise Problem("BROKER_UNAVAILABLE") from error
        return security

    def _new(self, user: str, security: Mapping[str, str], fingerprint: bytes) -> Session:
        delivery = Delivery(user, self.bootstrap_servers, security=security, timeout_s=self._deliver_s)
        try:
            if not delivery.has_topic(self._login_s):
                raise Problem("ACCESS_REFUSED")
        except KafkaException as error:
            raise Problem("BROKER_UNAVAILABLE") from error
        return Session(user, delivery, ReceiptLog(user, self.bootstrap_servers, security), fingerprint, 0.0)

    def _keep(self, session: Session) -> Session:
        """Return the session to use: this one, or an equal one that another request has made meanwhile."""
        unused = None
        with self._lock:
            other = self._open.get(session.organizer_bin)
            if other is not None and other is not session and other.fingerprint == session.fingerprint:
                return other
            self._open[session.organizer_bin] = session
            if len(self._open) > SESSIONS_MAX:
                unused = self._open.pop(next(iter(self._open)))
        if unused is not None:
            unused.receipts.close()
        return session

    def _fingerprint(self, password: str) -> bytes:
        return hashlib.blake2b(b"" if self._ca_pem is None else password.encode(), key=self._secret).digest()
