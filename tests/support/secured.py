"""A real broker that asks everybody who he is, with the topics, users and rights of a whole line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from esep.access import plan_of
from esep.access_apply import Authority
from esep.access_files import AccessFiles
from esep.admin import create_topics
from esep.embedded.kafka import KafkaBroker
from esep.security import librdkafka_properties
from esep.settings import Settings
from esep.topics import ADMIN, all_topics
from tests.support.services import passing

OURS, OTHER, SPARE = "940140000385", "950341000052", "961141000023"  # The last is for tests that shut it out.
BINS = (OURS, OTHER, SPARE)
QUICK = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 20}
ANSWER_S = 15.0


@dataclass
class Secured:
    """A secured broker, and what each organizer was given."""

    broker: KafkaBroker
    files: AccessFiles
    authority: Authority
    passwords: dict[str, str]

    @property
    def servers(self) -> str:
        return self.broker.bootstrap_servers

    def acting_as(self, principal: str) -> dict[str, str]:
        """Return librdkafka's properties for a principal, an organizer's or one of ours."""
        if principal not in self.passwords:
            return self.files.security(principal)
        return librdkafka_properties(principal, self.passwords[principal], self.files.ca_file.read_text())

    def client(self, principal: str, **more: object) -> dict[str, object]:
        """Return a librdkafka client's whole configuration; underscores stand for dots."""
        named = {name.replace("_", "."): value for name, value in more.items()}
        return {"bootstrap.servers": self.servers, **self.acting_as(principal), **QUICK, **named}


@contextmanager
def secured_line(data_dir: Path) -> Iterator[Secured]:
    """Start the broker, make topics and rights, give every organizer its password."""
    files = AccessFiles(data_dir / "access")
    files.init()
    with passing(KafkaBroker(data_dir / "kafka", access=files)) as broker:
        security = files.security(ADMIN)
        create_topics(broker.bootstrap_servers, all_topics(BINS, events_partitions=2, ledger_partitions=4), 1, security)
        authority = Authority(broker.bootstrap_servers, security)
        authority.apply(plan_of(Settings(), BINS), files)
        yield Secured(broker, files, authority, {bin_: authority.issue(bin_) for bin_ in BINS})
