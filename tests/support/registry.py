"""A real registry for tests: Apicurio, in memory, with Confluent's interface, fetched once and kept like the broker.

Reads     the per-user cache, Maven repositories (159 MB the first time)
Returns   `registry`: the address of its Confluent-compatible interface while the context lasts
Promises  listens on loopback only, on free ports; has ended when the context has
"""

from __future__ import annotations

import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esep.embedded.artifacts import Artifact, fetch
from esep.embedded.java import bundled_java
from esep.embedded.ports import free_ports
from esep.embedded.process import ManagedProcess

APICURIO = Artifact(
    "io.apicurio:apicurio-registry-app:tar.gz:all:3.3.3",
    "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63",
)
FLAGS = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")
READY_S = 150.0  # 4 s on a machine of its own.


@contextmanager
def registry(data_dir: Path) -> Iterator[str]:
    """Start a registry that knows no schema yet; end it with the context."""
    (archive,) = fetch([APICURIO])
    with tarfile.open(archive) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and later have it.
        packed.extractall(data_dir)
    port, management_port = free_ports(2)
    told = {
        "quarkus.http.host": "127.0.0.1", "quarkus.http.port": port,
        "quarkus.management.host": "127.0.0.1", "quarkus.management.port": management_port,
    }  # fmt: skip
    process = ManagedProcess(
        "the registry",
        [str(bundled_java().path), *FLAGS, *(f"-D{name}={value}" for name, value in told.items()), "-jar",
         str(data_dir / "quarkus-run.jar")],
        log_path=data_dir / "registry.log",
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    with process:
        _wait_ready(process, url)
        yield url


def _wait_ready(process: ManagedProcess, url: str) -> None:
    deadline_s = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/subjects", timeout=5):
                return
        except (OSError, urllib.error.URLError):
            assert process.is_running(), process.log_tail()
            assert time.monotonic() < deadline_s, process.log_tail()
            time.sleep(0.1)
