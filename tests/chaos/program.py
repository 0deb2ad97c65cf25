"""An organizer's program with the client of esep: bets without end, until it is told that it is enough.

Reads     ESEP_CHAOS_PROGRAM: JSON of `Task`; what a stack tells its apps; ESEP_CHAOS_FATES: the directory of `fates`
Writes    the spool; `said`: a line per entry id, after the client has returned it; a status file
Promises  it goes on with its spool whenever it is started again; single bets and groups of two streams, so that each
          step of the client is hit by both
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from esep.events import Payout, Wager
from esep.producers.client import ClientStatus, OrganizerClient
from esep.producers.simulate.people import people_of
from esep.producers.spool import Spool
from esep.receipt_keys import load_root
from esep.settings import load_settings
from tests.chaos.fated import FATES_DIR
from tests.chaos.fates import Fates, Step

PROGRAM = "client-0"  # Its name among the apps.
TASK = "ESEP_CHAOS_PROGRAM"
STREAMS = ("desk-0", "desk-1")
_BETWEEN_S = 0.03
_STATUS_S = 0.2
_STAKE_TIYN = 5_000_00


@dataclass(frozen=True, slots=True)
class Task:
    """What the program is to do. folder: of its spool and of what it says; enough: a file that ends the sending.

    persons, organizers, seed: of `people_of`, so that it has bettors in common with the simulation.
    """

    organizer_bin: str
    site_id: str
    folder: str
    receipt_root: str
    persons: int
    organizers: int
    seed: int

    @property
    def spool(self) -> Path:
        """The file of the spool."""
        return Path(self.folder) / "esep.spool"

    @property
    def said(self) -> Path:
        """The file of entry ids."""
        return Path(self.folder) / "said"

    @property
    def enough(self) -> Path:
        """The file that ends the sending."""
        return Path(self.folder) / "enough"

    def environment(self) -> dict[str, str]:
        """Return what tells a process of it."""
        return {TASK: json.dumps(asdict(self))}


def watch_client(fates: Fates) -> None:
    """Let every spool of this process tell what it has kept, and what it is about to note."""
    transaction, append, acknowledge, take = Spool.transaction, Spool.append, Spool.acknowledge, Spool.take_receipts
    done: set[Step] = set()  # In the transaction under way; one thread writes a spool.

    @contextmanager
    def watched(spool: Spool) -> Iterator[None]:
        done.clear()
        with transaction(spool):
            yield
        for step in sorted(done):
            fates.reached(step)

    def appended(spool: Spool, *values: Any) -> range:
        done.add(Step.SPOOLED)
        return append(spool, *values)

    def acknowledged(spool: Spool, acks: Any) -> None:
        fates.reached(Step.SENT)
        done.add(Step.ACKNOWLEDGED)
        acknowledge(spool, acks)

    def taken(spool: Spool, receipts: Any) -> None:
        done.add(Step.STORED)
        take(spool, receipts)

    patch.multiple(
        Spool, transaction=watched, append=appended, acknowledge=acknowledged, take_receipts=taken
    ).start()  # fmt: skip


def bets(task: Task, now: datetime) -> Iterator[list[Wager | Payout]]:
    """Yield what is reported together: a bet alone, or a bet that won and the next one."""
    draw = random.Random(f"{task.seed}/{now.isoformat()}")
    iins = people_of(task.persons, task.organizers, task.seed).iins.to_list()
    for number in itertools.count():
        at = now - timedelta(hours=draw.uniform(3, 72))
        bet = Wager(
            site_id=task.site_id,
            iin=draw.choice(iins),
            wager_id=f"{now:%H%M%S%f}-{number}",
            occurred_at=at,
            amount_tiyn=_STAKE_TIYN,
            payment_method="CASH",
            channel="RETAIL",
            funding="CASH",
            odds_milli=1_850,
        )
        if number % 2:
            yield [bet]
            continue
        won = Payout(
            site_id=task.site_id,
            iin=bet.iin,
            wager_id=bet.wager_id,
            occurred_at=at + timedelta(hours=2),
            amount_tiyn=_STAKE_TIYN * 185 // 100,
            payment_method="CASH",
            kind="WINNING",
            won_tiyn=_STAKE_TIYN * 85 // 100,
            wager_occurred_at=at,
            wager_amount_tiyn=_STAKE_TIYN,
        )
        yield [bet, won, bet.model_copy(update={"wager_id": f"{bet.wager_id}b"})]


def main() -> None:
    """Send until it is enough, then stay until the process is ended."""
    task = Task(**json.loads(os.environ[TASK]))
    settings = load_settings()
    watch_client(Fates(Path(os.environ[FATES_DIR]), PROGRAM))
    root = load_root(Path(task.receipt_root).read_bytes())
    with (
        OrganizerClient(
            task.organizer_bin, settings.bootstrap_servers, task.spool, receipt_root=root
        ) as client,
        task.said.open("a", buffering=1) as said,
    ):  # fmt: skip
        told_s = 0.0
        for number, group in enumerate(bets(task, datetime.now(UTC))):
            if not task.enough.exists():
                entry_ids = client.send_many(group, STREAMS[number // 2 % 2])
                said.write("".join(f"{entry_id}\n" for entry_id in entry_ids))
            if time.monotonic() >= told_s:
                told_s = time.monotonic() + _STATUS_S
                _tell(settings.status_file, client.status())
            time.sleep(_BETWEEN_S)


def _tell(path: Path | None, status: ClientStatus) -> None:
    if path is not None:
        draft = path.with_suffix(".draft")
        left = status.spooled + status.sent
        draft.write_text(json.dumps({"pid": os.getpid(), "state": "ready", "left": left, "rejected": status.rejected}))
        draft.replace(path)


if __name__ == "__main__":
    main()
