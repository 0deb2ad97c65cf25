"""A program of an organizer's that is killed: it sends bets for ever and says what it was told.

Reads     the command line: spool, BIN, brokers, the seed of its tickets
Writes    the spool; on stdout one line per entry id, after `send` has returned it
Promises  threads, single bets, groups and two streams at once, so that a kill hits all of them
"""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from esep.producers.client import OrganizerClient
from tests.producers.spooling import bet, paid

_SAYING = threading.Lock()
_BETWEEN_S = 0.005  # So that others have something of the machine.


def main() -> None:
    """Send until the process is killed."""
    path, organizer_bin, servers, seed = sys.argv[1:]
    with OrganizerClient(organizer_bin, servers, Path(path)) as client:
        threads = [threading.Thread(target=_send, args=(client, seed, place)) for place in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _send(client: OrganizerClient, seed: str, place: int) -> None:
    number = 0
    while True:
        number += 1
        ticket = f"{seed}-{place}-{number}"
        at = datetime.now(UTC) - timedelta(hours=3)
        if place % 2:
            said = client.send_many([bet(ticket, at), paid(ticket, at), bet(f"{ticket}b", at)], f"desk-{place // 2}")
        else:
            said = [client.send(bet(ticket, at), f"desk-{place // 2}")]
        with _SAYING:
            sys.stdout.write("".join(f"{entry_id}\n" for entry_id in said))
            sys.stdout.flush()
        time.sleep(_BETWEEN_S)


if __name__ == "__main__":
    main()
