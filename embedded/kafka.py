"""A real Apache Kafka broker, or a cluster of several, as child processes (KRaft: each is broker and controller).

Reads     the locked jars, a Java, a data directory
Writes    in the data directory: `log/` (the records), `broker.json` (where it stands), `broker.log` (what Kafka says),
          `broker.out` (what Java says), `broker.pid` while it runs
Promises  acknowledged records survive a restart and a kill; a restart has the same address; ready means that the broker
          itself has answered; clients need nothing but `bootstrap_servers` (box: embedded)

    with KafkaBroker(data_dir) as broker:
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap_servers})
"""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from esep.access_files import BROKER
from esep.embedded.artifacts import cache_dir, exclusive, fetch, read_lock
from esep.embedded.java import find_java
from esep.embedded.kafka_plan import BrokerPlan, meta_properties, plan_broker, plan_cluster
from esep.embedded.kafka_ready import Readiness
from esep.embedded.kafka_runtime import KafkaRuntime, argument_file, format_arguments
from esep.embedded.ports import port_is_free
from esep.embedded.process import ManagedProcess, Service, tail
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.keys import write_secret
from esep.security import PLAIN
from esep.topics import ADMIN

if TYPE_CHECKING:
    from esep.access_files import AccessFiles
    from esep.embedded.java import Java

READY_S = 60.0  # It takes 1 s; two cores shared with a whole test run may need twenty times that.
FORMAT_S = 60.0
ARCHIVE_S = 180.0
STOP_S = 10.0  # 0.5 s for a broker that is alone; without a quorum one would wait for minutes, and is killed.
BETWEEN_ASKS_S = 0.02
_META, _BOOTSTRAP = "meta.properties", "bootstrap.checkpoint"  # In a log directory, as Kafka names them.

_log = logging.getLogger(__name__)


class KafkaBroker(Service):
    """One broker. `start`, `wait_ready`, `stop`; as a context manager all three.

    place: the data directory of a broker that is alone, on ports chosen the first time and kept; or a plan that says
    all of it. runtime: the Java and the jars, by default `prepare()`. die_with_parent: see `ManagedProcess`.
    access: TLS, passwords and ACLs by these files; without it everybody who reaches the port may do everything.
    """

    def __init__(
        self,
        place: BrokerPlan | Path,
        *,
        runtime: KafkaRuntime | None = None,
        die_with_parent: bool = True,
        access: AccessFiles | None = None,
    ) -> None:
        self.plan = place if isinstance(place, BrokerPlan) else plan_broker(place)
        self.log_path = self.plan.data_dir / "broker.log"
        self._runtime = runtime
        self._die_with_parent = die_with_parent
        self._access = access
        self._process: ManagedProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return self.plan.bootstrap_servers

    @property
    def pid(self) -> int:
        """The broker's process number. Raises UsageError before the first start."""
        return self._running().pid

    def start(self) -> None:
        """Start the broker's process, formatting its log directory the first time. Does not wait until it is ready.

        Raises UsageError if it runs already, SettingInvalid if somebody else listens on one of its ports.
        """
        self._runtime = self._runtime or prepare()
        properties = self.plan.data_dir / "server.properties"
        process = ManagedProcess(
            f"Kafka broker {self.plan.node_id}",
            self._runtime.broker_command(properties, self.log_path),
            log_path=self.plan.data_dir / "broker.out",
            env=self._runtime.environment(),
            pid_path=self.plan.data_dir / "broker.pid",
            die_with_parent=self._die_with_parent,
        )
        process.refuse_second()
        self._check_ports()
        self.plan.data_dir.mkdir(parents=True, exist_ok=True)
        if self._access is not None:
            self.plan.data_dir.chmod(0o700)  # What is encrypted on the way lies open in the log.
        write_secret(properties, self.plan.properties(self._access))
        if not (self.plan.data_dir / "log" / _META).exists():
            self._lay_out(self._runtime, properties)
        process.start()
        self._process = process

    def wait_ready(self, timeout_s: float = READY_S, *, brokers: frozenset[int] = frozenset()) -> None:
        """Return as soon as the broker names itself and these other brokers as up, and its coordinators answer.

        Raises BrokerUnavailable if its process has ended, with what it said last, or after timeout_s.
        """
        readiness = Readiness(self.plan, brokers, self._access.security(ADMIN) if self._access else PLAIN)
        deadline = time.monotonic() + timeout_s
        while not readiness.is_ready():
            if not self.is_running():
                raise self._unavailable(f"ended with exit code {self._running().exit_code} before it was ready")
            if time.monotonic() > deadline:
                raise self._unavailable(f"was not ready after {timeout_s:.0f} s")
            time.sleep(BETWEEN_ASKS_S)

    def is_running(self) -> bool:
        """Return whether its process runs; a paused one does."""
        return self._process is not None and self._process.is_running()

    def terminate(self) -> None:
        """Ask it to end and return at once: for several that end together. Then `stop` each."""
        if self._process:
            self._process.terminate()

    def stop(self, term_s: float = STOP_S) -> None:
        """Let it end in order, or kill it after term_s. Without effect if it does not run."""
        if self._process:
            self._process.stop(term_s)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self._running().kill()

    def pause(self) -> None:
        """Let it hang (SIGSTOP): its connections stay open and nothing answers."""
        self._running().pause()

    def resume(self) -> None:
        """Let it run on (SIGCONT)."""
        self._running().resume()

    def _running(self) -> ManagedProcess:
        if self._process is None:
            raise SettingInvalid(f"Kafka broker {self.plan.node_id} has not been started", hint="call start() first")
        return self._process

    def _check_ports(self) -> None:
        for port in (self.plan.port, self.plan.controller_port):
            if not port_is_free(port, self.plan.host):
                raise SettingInvalid(
                    f"port {port} on {self.plan.host} is taken",
                    detail=f"Kafka broker {self.plan.node_id} listens there, by {self.plan.data_dir / 'broker.json'}",
                    hint="stop what listens there now, then start again",
                )

    def _lay_out(self, runtime: KafkaRuntime, properties: Path) -> None:
        """Make the log directory. What Kafka's tool puts there is the same for every broker without users but for who
        the broker is, so that it is made by the tool once for these jars, and then by a copy: that takes no Java."""
        made, log_dir = cache_dir() / "classes" / f"{runtime.archive_name}.{_BOOTSTRAP}", self.plan.data_dir / "log"
        if self._access is None and made.exists():
            log_dir.mkdir(exist_ok=True)
            shutil.copyfile(made, log_dir / _BOOTSTRAP)
            (log_dir / _META).write_text(meta_properties(self.plan), encoding="ascii")
            return
        self._format(runtime, properties)
        if self._access is None:
            with tempfile.TemporaryDirectory(dir=made.parent, prefix=".part-") as scratch:
                shutil.copyfile(log_dir / _BOOTSTRAP, Path(scratch) / _BOOTSTRAP).replace(made)

    def _format(self, runtime: KafkaRuntime, properties: Path) -> None:
        command = runtime.format_command(properties, self.plan.cluster_id)
        log_path, arguments = self.plan.data_dir / "format.out", self.plan.data_dir / "format.args"
        if self._access is not None:
            passwords = {name: self._access.password(name) for name in (ADMIN, BROKER)}
            write_secret(arguments, argument_file(format_arguments(properties, self.plan.cluster_id, passwords)))
            command = runtime.format_command_from(properties, arguments)
        try:
            with ManagedProcess("Kafka's StorageTool", command, log_path=log_path, env=runtime.environment()) as tool:
                if tool.wait(FORMAT_S) != 0:
                    raise BrokerUnavailable(
                        f"the log directory of Kafka broker {self.plan.node_id} was not formatted",
                        detail=tool.log_tail(),
                        hint=f"see {log_path}",
                    )
            if self._access is not None:
                log_path.unlink()  # The tool prints what it stores of the passwords.
        finally:
            arguments.unlink(missing_ok=True)

    def _unavailable(self, what: str) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"Kafka broker {self.plan.node_id} at {self.bootstrap_servers} {what}",
            detail=last_words(tail(self.log_path, 100)) or self._running().log_tail(5),
            hint=f"see {self.log_path}",
        )


class KafkaCluster(Service):
    """Several brokers with replicated topics: three or more keep two replicas in sync and survive the loss of one.

    `brokers` are in the order of their node ids, from 1 on; each can be killed, paused and started by itself.
    """

    def __init__(
        self,
        count: int,
        data_dir: Path,
        *,
        runtime: KafkaRuntime | None = None,
        die_with_parent: bool = True,
        access: AccessFiles | None = None,
    ) -> None:
        self.brokers = tuple(
            KafkaBroker(plan, runtime=runtime, die_with_parent=die_with_parent, access=access)
            for plan in plan_cluster(count, data_dir)
        )

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers for clients."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers)

    def start(self) -> None:
        """Start all brokers. Does not wait until they are ready."""
        for broker in self.brokers:
            broker.start()

    def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Return as soon as every broker answers and knows all as up. Raises BrokerUnavailable."""
        deadline = time.monotonic() + timeout_s
        all_ids = frozenset(broker.plan.node_id for broker in self.brokers)
        for broker in self.brokers:
            broker.wait_ready(max(0.0, deadline - time.monotonic()), brokers=all_ids)

    def stop(self, term_s: float = STOP_S) -> None:
        """Let all end together, or kill those that have not after term_s."""
        deadline = time.monotonic() + term_s
        for broker in self.brokers:
            broker.terminate()
        for broker in self.brokers:
            broker.stop(max(0.0, deadline - time.monotonic()))


def prepare(java: Java | None = None) -> KafkaRuntime:
    """Return what a broker runs on: a Java and the checked jars, fetched if need be, and an archive of their classes.

    The archive is made once per Java and lock (10 s) and halves every later start. java: by default `find_java()`.
    """
    runtime = KafkaRuntime(java or find_java(), fetch(read_lock()))
    archive = cache_dir() / "classes" / runtime.archive_name
    if not archive.exists():
        with exclusive(archive.with_suffix(".busy"), ARCHIVE_S):
            if not archive.exists():
                _make_archive(runtime, archive)
    # An empty file notes that this Java makes none, so that not every start tries again.
    return replace(runtime, archive=archive) if archive.stat().st_size else runtime


def _make_archive(runtime: KafkaRuntime, archive: Path) -> None:
    """Run a broker once to see which classes it needs, then have Java lay these out."""
    _log.info("preparing %s: once for this Java, about 10 s", archive.name)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".part-") as scratch:
        part, class_list = Path(scratch) / archive.name, Path(scratch) / "classes.list"
        with KafkaBroker(Path(scratch) / "broker", runtime=replace(runtime, class_list=class_list)):
            pass
        command = runtime.archive_command(class_list, part)
        with ManagedProcess(
            "Java's class archive", command, log_path=part.with_suffix(".out"), env=runtime.environment()
        ) as tool:
            if tool.wait(ARCHIVE_S) != 0 or not part.exists():
                _log.warning("no class archive, starts will be slower: %s", tool.log_tail(5))
                part.write_bytes(b"")
        part.replace(archive)


def last_words(log: str) -> str:
    """Return what a broker's log complains of last: the first three lines of its last error or warning, or nothing.

    >>> last_words("2026-01-01T00:00:00Z INFO starting (Kafka)\\n2026-01-01T00:00:01Z ERROR no space left (Kafka)")
    'ERROR no space left (Kafka)'
    """
    complaints = re.findall(r"^\d{4}-\S+ ((?:FATAL|ERROR|WARN) .*(?:\n(?!\d{4}-).*){0,2})", log, re.MULTILINE)
    return complaints[-1] if complaints else ""
