"""Run a stage as the settings say: what the processes intake, totals and alerts have in common.

Reads     `Settings`
Writes    what `worker` writes
Promises  the stage's name is its consumer group; every setting of a worker reaches it (boxes: intake, totals, alerts)
"""

from __future__ import annotations

import logging
from typing import TypeVar

from esep.security import client_security
from esep.settings import Settings
from esep.stream_apps.batches import Limits
from esep.stream_apps.stage import SideInput, Stage
from esep.stream_apps.worker import run_worker

S = TypeVar("S")


def launch(stage: Stage[S], settings: Settings, side_input: SideInput | None = None) -> int:
    """Work until SIGTERM or SIGINT; return the exit code. side_input: see `run_worker`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return run_worker(
        stage,
        bootstrap_servers=settings.bootstrap_servers,
        group=stage.name,
        ordinal=settings.ordinal,
        limits=Limits(
            records_max=settings.poll_records_max,
            bytes_max=settings.poll_bytes_max,
            spacing_ms=settings.poll_wait_ms,
            session_timeout_ms=settings.session_timeout_ms,
        ),
        status_path=settings.status_file,
        security=client_security(settings),
        side_input=side_input,
    )
