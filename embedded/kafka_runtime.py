"""The JVM commands of an embedded broker: format, run, and make the archive of classes that halves its start.

Reads     the checked jars, the Java found
Returns   command lines; nothing is run here
Promises  the same flags for each, or Java would refuse the archive (box: embedded)
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from esep.security import MECHANISM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esep.embedded.java import Java

LOG_SETTINGS = Path(__file__).with_name("kafka-log4j2.properties")

FLAGS = (
    "-Xms64m",
    "-Xmx384m",  # 85 MB are in use after 3 million records; the rest is for many clients with large requests.
    "-XX:+UseSerialGC",  # After 3 million records 210 MB resident, with G1 320 MB; the same processor time.
    # Only the first compiler: the broker moves bytes, and its checksums are intrinsics there too. Measured on two
    # cores: start 0.9 s against 1.3 s, 30-45 MB less, and over 1,000 transactions 6 s of processor against 11 s.
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",  # A broker that is out of memory but stays up helps nobody.
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)
# What would change the JVM behind our back.
UNSET = ("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
# Else Java cannot open a path that is not ASCII where the locale is C, as under cron, in containers and in CI.
SET = {"LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class KafkaRuntime:
    """A Java with Kafka's jars; archive: classes of both laid out in memory form, made once per Java and lock."""

    java: Java
    jars: tuple[Path, ...]
    archive: Path | None = None
    class_list: Path | None = None

    @property
    def archive_name(self) -> str:
        """Return the file name under which this Java's archive of these jars is kept."""
        parts = [self.java.build, str(self.java.path), *FLAGS, *map(str, self.jars)]
        return f"kafka-java{self.java.release}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:16]}.jsa"

    def environment(self) -> dict[str, str]:
        """Return the environment in which the JVM runs."""
        return {name: value for name, value in os.environ.items() if name not in UNSET} | SET

    def format_command(self, properties: Path, cluster_id: str) -> list[str]:
        """Return the command that prepares a broker's log directory."""
        return [*self._java(properties.with_name("format.log")), *format_arguments(properties, cluster_id, {})]

    def format_command_from(self, properties: Path, arguments: Path) -> list[str]:
        """Return the same command, its arguments read from a file of `argument_file`: others can see a command line."""
        return [*self._java(properties.with_name("format.log")), f"@{arguments}"]

    def broker_command(self, properties: Path, log: Path) -> list[str]:
        """Return the command that runs a broker, which logs to this file."""
        return [*self._java(log), "kafka.Kafka", str(properties)]

    def archive_command(self, class_list: Path, archive: Path) -> list[str]:
        """Return the command that writes an archive of the classes that a broker listed with `class_list`."""
        dump = ["-Xshare:dump", f"-XX:SharedClassListFile={class_list}", f"-XX:SharedArchiveFile={archive}"]
        return [str(self.java.path), *FLAGS, *dump, *self._class_path()]

    def _java(self, log: Path) -> list[str]:
        shared = [f"-XX:SharedArchiveFile={self.archive}", "-Xshare:auto"] if self.archive else []
        listed = [f"-XX:DumpLoadedClassList={self.class_list}"] if self.class_list else []
        logging = [f"-Dlog4j2.configurationFile={LOG_SETTINGS}", f"-Desep.broker.log={log}"]
        return [str(self.java.path), *FLAGS, *shared, *listed, *logging, *self._class_path()]

    def _class_path(self) -> list[str]:
        return ["-cp", os.pathsep.join(map(str, self.jars))]


def format_arguments(properties: Path, cluster_id: str, passwords: Mapping[str, str]) -> list[str]:
    """Return what StorageTool is told: where the log directory is, and its first users with their passwords."""
    users = [f"{MECHANISM}=[name={name},password={password}]" for name, password in passwords.items()]
    told = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(properties)]
    return told + [part for user in users for part in ("--add-scram", user)]


def argument_file(arguments: Sequence[str]) -> str:
    """Return the text of a file from which the `java` command reads its arguments.

    >>> argument_file(["format", 'a "b"'])
    '"format"\\n"a \\\\"b\\\\""\\n'
    """
    return "".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for one in arguments)
