"""The organizer's client: what it has taken is on disk with its number, and reaches the authority whatever happens.

Reads     events of `esep.events`, from any number of threads
Writes    the spool, at once; organizer.<BIN>.events, in the background
Promises  `send` returns after its event is durable (survives a power cut); the event is then delivered, in the order of
          its stream, after any crash or outage, under this number and with these bytes for ever; callers never wait for
          the broker (DESIGN §5 "Outbox"; clauses O9-4.4, O9-4.5; box: producers)

    with OrganizerClient("940140000385", "127.0.0.1:9092", Path("esep.spool"), receipt_root=root) as client:
        entry_id = client.send(wager, "desk-7")         # '940140000385/desk-7/118'
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypedDict, TypeVar

from esep.closing import Closing
from esep.errors import BrokerUnavailable, EsepError, SpoolUnwritable, UsageError
from esep.producers.answers import State
from esep.producers.courier import Courier
from esep.producers.group_commit import GroupCommit
from esep.producers.receipt_keeper import ReceiptKeeper
from esep.producers.records import check_events
from esep.producers.spool import Spool
from esep.producers.spool_reader import SpoolReader
from esep.security import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path
    from types import TracebackType

    from cryptography.x509 import Certificate

    from esep.events import Event, Movement

WAITING_MAX = 10_000  # Calls that wait for the disk at a time; more wait for these.
RECEIPT_LATE_S = 300.0  # Intake answers within a second while it runs.
_COMMIT_S = 60.0  # A disk takes milliseconds, a busy one a second.
_LEAVE_S = 10.0
_LOOK_S = 0.2
T = TypeVar("T")


class ClientOptions(TypedDict, total=False):
    """What `OrganizerClient` may be told besides; see there."""

    receipt_root: Certificate | None
    security: Mapping[str, str]
    first_sequences: Mapping[str, int]
    bytes_max: int | None
    late_s: float


@dataclass(frozen=True, slots=True)
class ClientStatus:
    """How a client stands: events by state; of those sent, how many wait too long for their receipt; what is wrong."""

    spooled: int
    sent: int
    receipted: int
    rejected: int
    late: int
    receipts_refused: int  # Receipts since the start that did not verify.
    faults: tuple[EsepError, ...]


class OrganizerClient(Closing):
    """Reports one organizer's events. For any number of threads; one client per spool.

    receipt_root: the authority's certificate; without it no receipt is read, and events stay SENT. security: see
    `esep.security`. first_sequences: with which sequence a stream goes on that another system has numbered so far; only
    for streams new to the spool. bytes_max: of the spool; beyond it events are refused. late_s: after how long without
    a receipt `status` calls an event late.

    Raises UsageError for what is no BIN, FileUnusable for a spool that is in use or another's, SettingInvalid for
    properties that librdkafka does not take. Starts without any broker.
    """

    def __init__(
        self,
        organizer_bin: str,
        bootstrap_servers: str,
        spool_path: Path,
        *,
        receipt_root: Certificate | None = None,
        security: Mapping[str, str] = PLAIN,
        first_sequences: Mapping[str, int] = MappingProxyType({}),
        bytes_max: int | None = None,
        late_s: float = RECEIPT_LATE_S,
    ) -> None:
        self.organizer_bin = organizer_bin
        self._pid = os.getpid()
        self._room = threading.BoundedSemaphore(WAITING_MAX)
        self._reading = threading.Lock()
        self._closed = False
        with ExitStack() as undo:
            self._spool = Spool(spool_path, organizer_bin, first_sequences=first_sequences, bytes_max=bytes_max)
            undo.callback(self._spool.close)
            self._reader = SpoolReader(spool_path)
            undo.callback(self._reader.close)
            self._writer = GroupCommit(self._spool)
            undo.callback(self._writer.close)
            self._courier = Courier(self._spool, self._writer, bootstrap_servers, security=security, late_s=late_s)
            undo.callback(self._courier.stop)
            self._receipts: ReceiptKeeper | None = None
            if receipt_root is not None:
                offset = self._reader.receipts_offset
                self._receipts = ReceiptKeeper(
                    self._spool,
                    self._writer,
                    bootstrap_servers,
                    root=receipt_root,
                    offset=offset,
                    security=security,
                )
                undo.callback(self._receipts.stop)
            self._ending = undo.pop_all()

    def send(self, event: Event, stream_id: str) -> str:
        """Keep one event under the stream's next sequence; return its entry id once it is durable.

        Raises UsageError for a stream id that intake would refuse or an event that no schema or topic holds,
        SpoolUnwritable if the disk is full; then no number is used up.
        """
        return self.send_many([event], stream_id)[0]

    def send_many(self, events: Sequence[Event], stream_id: str) -> list[str]:
        """Keep events of one stream, all or none, in one commit; return their entry ids. Raises as `send` does."""
        with self._room:
            future = self.submit(events, stream_id)
            try:
                return future.result(_COMMIT_S)
            except TimeoutError as error:
                untaken = future.cancel()
                raise SpoolUnwritable(
                    f"the spool {self._spool.path} has not answered for {_COMMIT_S:.0f} s",
                    detail="nothing was taken" if untaken else "nobody knows yet whether these events are kept",
                    hint="see to its disk, then ask `esep spool export` what is there before sending them anew",
                ) from error

    def submit(self, events: Sequence[Event], stream_id: str) -> Future[list[str]]:
        """Do as `send_many` without waiting; the future has the entry ids once the events are durable.

        The caller bounds how many it lets wait.
        """
        if os.getpid() != self._pid:
            raise UsageError("a client does not survive a fork", hint="make the client in the process that sends")
        future = self._writer.submit(partial(self._keep, list(events), stream_id))
        future.add_done_callback(lambda _: self._courier.wake())
        return future

    def flush(self, timeout_s: float = 60.0) -> None:
        """Return once the broker has acknowledged everything kept so far; BrokerUnavailable after timeout_s.

        Nobody needs it for safety.
        """
        deadline_s = time.monotonic() + timeout_s
        last = self._look(lambda reader: reader.last_event())
        while not self._look(lambda reader: reader.is_sent_through(last)):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                fault = self._courier.fault
                raise BrokerUnavailable(
                    f"{self._spool.tally[State.SPOOLED]:,} events are not acknowledged after {timeout_s:.0f} s",
                    detail=f"{fault.what}: {fault.detail}" if fault else "",
                    hint="they are in the spool and are sent as soon as it is possible",
                )
            with self._courier.recorded:
                self._courier.recorded.wait(min(left_s, _LOOK_S))

    def status(self) -> ClientStatus:
        """Return how the client stands now."""
        tally = self._spool.tally
        late_through = self._courier.late.late_through(time.monotonic())
        late = self._look(lambda reader: reader.count_unanswered(late_through))
        faults = (self._courier.fault, self._receipts.fault if self._receipts else None)
        return ClientStatus(
            spooled=tally[State.SPOOLED],
            sent=tally[State.SENT],
            receipted=tally[State.RECEIPTED],
            rejected=tally[State.REJECTED],
            late=late,
            receipts_refused=self._receipts.refused if self._receipts else 0,
            faults=tuple(fault for fault in faults if fault is not None),
        )

    def send_late_again(self) -> int:
        """Send again the events whose receipts are late, the same bytes under the same numbers; return how many.

        What has arrived counts as a duplicate: harmless.
        """
        work = partial(self._spool.send_again, self._courier.late.late_through(time.monotonic()))
        count = self._writer.submit(work).result(_COMMIT_S)
        self._courier.start_over()
        return count

    def check(self, events: Sequence[Movement]) -> list[str | None]:
        """Return per event the code with which intake would refuse it for what it is in itself, or None. Offline."""
        return check_events(events, self.organizer_bin)

    def close(self, timeout_s: float = _LEAVE_S) -> None:
        """Wait up to timeout_s until all is sent, then end; what is not goes out after the next start."""
        if not self._closed:
            with suppress(BrokerUnavailable):  # Nothing is lost by it.
                self.flush(timeout_s)
        with self._reading:
            self._closed = True
        self._ending.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; after an error without waiting."""
        self.close(_LEAVE_S if kind is None else 0.0)

    def _keep(self, events: list[Event], stream_id: str) -> list[str]:
        sequences = self._spool.append(stream_id, events)
        return [f"{self.organizer_bin}/{stream_id}/{sequence}" for sequence in sequences]

    def _look(self, ask: Callable[[SpoolReader], T]) -> T:
        with self._reading:
            if self._closed:
                raise UsageError("the client is closed", hint="make a new one")
            return ask(self._reader)
