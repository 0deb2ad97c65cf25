"""The process `esep run intake`: the stage intake, run by the shell that all stages share.

Reads     `reference`; `organizer.<BIN>.events` of every organizer that was published there, and on assignment
          `intake.changelog`
Writes    `accepted`, `rejected`, `organizer.<BIN>.receipts`, `intake.changelog`, one transaction per poll
Promises  what `worker` promises; nothing of its own (box: intake)
"""

from __future__ import annotations

import time

from esep.identifiers import PersonKeys
from esep.receipt_keys import load_signing_key
from esep.reference_topic import ReferenceReader
from esep.security import client_security
from esep.settings import load_settings
from esep.stream_apps.intake.receipts import ReceiptSigner
from esep.stream_apps.intake.stage import IntakeStage
from esep.stream_apps.launch import launch


def main() -> int:
    """Work until told to stop; return the exit code.

    Raises SettingInvalid where a key cannot be used.
    """
    settings = load_settings()
    reader = ReferenceReader(settings.bootstrap_servers, client_security(settings))
    stage = IntakeStage(
        reader.reference,
        PersonKeys(settings.secret("routing_key_file")),
        ReceiptSigner(load_signing_key(settings.secret("receipt_key_file")), _now_ms),
        events_partitions=settings.events_partitions,
        ledger_partitions=settings.ledger_partitions,
    )
    return launch(stage, settings, reader)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
