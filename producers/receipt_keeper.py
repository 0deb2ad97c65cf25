"""The thread that reads signed receipts and marks what they tell of in the spool.

Reads     organizer.<BIN>.receipts, from where the spool says it has read to
Writes    the spool
Promises  a receipt counts only if its signature fits the authority's key and it is this organizer's; one that does not
          is passed over and counted; each is taken in once, in the order of its topic, together with how far that is
          (DESIGN §4 "receipts"; clause O9-4.5; box: producers)
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from esep.errors import EsepError, InvariantBroken
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.receipts import ReceiptContent, open_receipt
from esep.topics import events_topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.x509 import Certificate

    from esep.producers.group_commit import GroupCommit
    from esep.producers.spool import Spool

_READ_S = 0.2  # So that an end is soon heard.
_PAUSE_S = 2.0  # After a fault, before the next try.
_log = logging.getLogger(__name__)


class ReceiptKeeper:
    """Keeps a spool's receipts. offset: of the next one to read. security: as `Courier` has it."""

    def __init__(
        self,
        spool: Spool,
        writer: GroupCommit,
        bootstrap_servers: str,
        *,
        root: Certificate,
        offset: int,
        security: Mapping[str, str],
    ) -> None:
        self.fault: EsepError | None = None
        self.refused = 0  # Receipts that did not verify, since the start.
        self._spool = spool
        self._writer = writer
        self._servers = bootstrap_servers
        self._root = root
        self._security = security
        self._offset = offset
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="esep-receipts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what has not been read will be after the next start."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with ReceiptReader(self._spool.organizer_bin, self._servers, security=self._security) as reader:
                    reader.start_at(self._offset)
                    while not self._stopping.is_set():
                        self._take(reader.read_sealed(_READ_S))
            except (EsepError, KafkaException) as error:
                self.fault = error if isinstance(error, EsepError) else EsepError(str(error))
                _log.warning("reading receipts begins anew in %.0f s: %s", _PAUSE_S, error)
                self._stopping.wait(_PAUSE_S)

    def _take(self, sealed: list[tuple[int, bytes]]) -> None:
        """Return once these receipts are in the spool; SpoolUnwritable if they cannot be, and they are read again."""
        if sealed:
            opened = [(offset, self._open(offset, value)) for offset, value in sealed]
            self._writer.submit(partial(self._spool.take_receipts, opened)).result()
            self._offset = sealed[-1][0] + 1
            self.fault = None

    def _open(self, offset: int, value: bytes) -> ReceiptContent | None:
        bin_ = self._spool.organizer_bin
        try:
            content = open_receipt(value, self._root)
        except InvariantBroken as error:
            _log.error("receipt %d does not count: %s", offset, error.detail)
        else:
            if (content.organizer_bin, content.topic) == (bin_, events_topic(bin_)):
                return content
            _log.error("receipt %d does not count: it is another organizer's", offset)
        self.refused += 1
        return None
