"""Where a broker stands and how it is set: decided once, kept in its data directory, found again at each restart.

Reads     `broker.json` of a data directory, if it is there
Writes    `broker.json`, at the first start
Promises  a restart on the same directory has the same address, identity and peers; a broker listens on one host only,
          127.0.0.1 unless the caller names another (box: embedded)
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from esep.access_files import BROKER
from esep.embedded.ports import free_ports
from esep.errors import FileUnusable, SettingInvalid
from esep.security import MECHANISM
from esep.topics import ADMIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.access_files import AccessFiles

PLAN_FILE = "broker.json"
INTERNAL_PARTITIONS = 8  # Of Kafka's own topics; its default of 50 makes the first start on a data directory slower.
REPLICATION = 3
MIN_INSYNC = 2

ASCII_END = 0x7F
SETTINGS = {
    "process.roles": "broker,controller",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "auto.create.topics.enable": "false",
    "compression.type": "producer",
    # A stage that rests longer must still find where it was (DESIGN §5): two years.
    "offsets.retention.minutes": str(2 * 365 * 24 * 60),
    # The same is wished for transactional ids, but this setting is an int of milliseconds: 24.8 days is its maximum.
    # Each transaction counts anew; an id that rested longer starts under a new producer id, the former is refused.
    "transactional.id.expiration.ms": str(2**31 - 1),
    "offsets.topic.num.partitions": str(INTERNAL_PARTITIONS),
    "transaction.state.log.num.partitions": str(INTERNAL_PARTITIONS),
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "message.max.bytes": str(1024 * 1024),
    "log.cleaner.enable": "true",
    # Its default reserves 128 MB of heap. What does not fit into 32 MB (1.2 million keys) is cleaned in a second pass.
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
    # A segment's indexes are empty files of this size, mapped into memory. Where the kernel first looks it reads ahead,
    # nothing but zeros: with the default of 10 MB that is half of a young broker's processor time on a disk that
    # reads 8 MB ahead. 1 MB is enough for segments of 350 MB.
    "log.index.size.max.bytes": str(1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
    # The controller lets nobody in under a dead broker's id, and moves none of its partitions, before its session has
    # run out: so this is what a restart after a kill takes (by default 9 s and 2 s). Threads of a loaded machine of
    # two cores wait for a few tenths of a second, hence not shorter.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


@dataclass(frozen=True)
class BrokerPlan:
    """One broker of a cluster of one or more: who and where it is.

    voters: `id@host:port` of every controller, its own included, the same for all brokers of a cluster.
    """

    node_id: int
    cluster_id: str
    data_dir: Path
    port: int
    controller_port: int
    voters: tuple[str, ...]
    host: str = "127.0.0.1"

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, as they want it."""
        return f"{self.host}:{self.port}"

    def properties(self, access: AccessFiles | None = None) -> str:
        """Return the text of `server.properties`; with access it holds a password.

        Internal topics have three replicas, two in sync, if there are three brokers, else one.
        """
        replicas, insync = (REPLICATION, MIN_INSYNC) if len(self.voters) >= REPLICATION else (1, 1)
        own = {
            "node.id": self.node_id,
            "controller.quorum.voters": ",".join(self.voters),
            "listeners": f"CLIENT://{self.bootstrap_servers},CONTROLLER://{self.host}:{self.controller_port}",
            "advertised.listeners": f"CLIENT://{self.bootstrap_servers}",
            "log.dirs": self.data_dir / "log",
            "default.replication.factor": replicas,
            "min.insync.replicas": insync,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": insync,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": insync,
        }
        secured = _secured(access) if access else {}
        return "".join(f"{name}={_escaped(str(value))}\n" for name, value in {**SETTINGS, **own, **secured}.items())


def meta_properties(plan: BrokerPlan) -> str:
    """Return the text of the file by which a broker knows its log directory as its own; another one each time."""
    told = {"version": 1, "cluster.id": plan.cluster_id, "node.id": plan.node_id, "directory.id": _new_id()}
    return "".join(f"{name}={value}\n" for name, value in told.items())


def plan_broker(data_dir: Path) -> BrokerPlan:
    """Return the plan for a broker that is alone: the one kept in this directory, or a new one on free ports."""
    return _plan([data_dir])[0]


def plan_cluster(count: int, data_dir: Path) -> tuple[BrokerPlan, ...]:
    """Return the plans for this many brokers, in directories `broker-1`, `broker-2` … of data_dir.

    Raises SettingInvalid if the directory holds a cluster of another size.
    """
    return _plan([data_dir / f"broker-{number}" for number in range(1, count + 1)])


def _secured(access: AccessFiles) -> dict[str, str]:
    """Return what makes a broker ask everybody who he is, and let nobody do what no ACL allows (clause O9-4.2).

    Clients and brokers log in by SCRAM; controllers, which keep the SCRAM credentials and so cannot wait for them, know
    each other by their certificates.
    """
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    return {
        "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:SSL",
        "sasl.enabled.mechanisms": MECHANISM,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        f"listener.name.client.{MECHANISM.lower()}.sasl.jaas.config": (
            f'{login} username="{BROKER}" password="{access.password(BROKER)}";'
        ),
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=([a-z0-9-]+)$/$1/,DEFAULT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(access.broker_file.absolute()),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(access.ca_file.absolute()),
        "ssl.enabled.protocols": "TLSv1.3,TLSv1.2",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN};User:{BROKER}",
        "allow.everyone.if.no.acl.found": "false",
    }


def _plan(places: Sequence[Path]) -> tuple[BrokerPlan, ...]:
    data_dirs = [place.absolute() for place in places]
    kept = [_read(data_dir) for data_dir in data_dirs if (data_dir / PLAN_FILE).exists()]
    if not kept:
        kept = _choose(data_dirs)
        for plan in kept:
            _write(plan)
    if len(kept) != len(data_dirs) or len(kept[0].voters) != len(data_dirs):
        raise SettingInvalid(
            f"{data_dirs[0].parent} holds a cluster of {len(kept[0].voters)} brokers, not of {len(data_dirs)}",
            detail="the number of brokers is fixed at the first start",
            hint=f"start {len(kept[0].voters)}, or choose another data directory",
        )
    return tuple(kept)


def _choose(data_dirs: Sequence[Path]) -> list[BrokerPlan]:
    ports = free_ports(2 * len(data_dirs))
    voters = tuple(f"{number}@{BrokerPlan.host}:{port}" for number, port in enumerate(ports[1::2], 1))
    cluster_id = _new_id()
    return [
        BrokerPlan(number, cluster_id, data_dir, ports[2 * number - 2], ports[2 * number - 1], voters)
        for number, data_dir in enumerate(data_dirs, 1)
    ]


def _new_id() -> str:
    # 16 bytes in base64; the first bit is cleared because an id that begins with a dash looks like an option.
    raw = uuid.uuid4().bytes
    return base64.urlsafe_b64encode(bytes([raw[0] & 0x7F]) + raw[1:]).decode("ascii").rstrip("=")


def _read(data_dir: Path) -> BrokerPlan:
    path = data_dir / PLAN_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return BrokerPlan(**{**fields, "data_dir": data_dir, "voters": tuple(fields["voters"])})
    except (ValueError, TypeError, KeyError) as error:
        raise FileUnusable(
            f"{path} does not say where the broker stands",
            detail=f"{type(error).__name__}: {error}",
            hint="put the file back, or begin with another data directory; its records stay readable to a broker "
            "whose node id and cluster id are those of log/meta.properties",
        ) from error


def _write(plan: BrokerPlan) -> None:
    plan.data_dir.mkdir(parents=True, exist_ok=True)
    fields = {name: value for name, value in vars(plan).items() if name != "data_dir"}
    part = plan.data_dir / f".{PLAN_FILE}"
    part.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
    part.replace(plan.data_dir / PLAN_FILE)


def _escaped(value: str) -> str:
    # java.util.Properties reads Latin-1; a home directory may well be named in Cyrillic.
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < ASCII_END else f"\\u{code:04x}" for code in codes)
