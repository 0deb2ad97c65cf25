"""Fetch the broker's jars: exactly those of our lock file, each checked by its hash.

Reads     `kafka.lock` (coordinates and SHA-256, no address), the per-user cache, Maven repositories through jgo
Writes    `$XDG_CACHE_HOME/esep/jars` (else `~/.cache/esep/jars`); `kafka.lock` when asked with --lock
Promises  no file is handed out whose SHA-256 is not the lock's; the graph of dependencies is resolved only when the
          lock is rewritten, never on a user's machine; several processes may call at once (box: embedded)

    python -m esep.embedded.artifacts                  fetch and check
    python -m esep.embedded.artifacts --lock           pin the newest Kafka 4.x that is complete
    python -m esep.embedded.artifacts --lock 4.2.1     pin this one
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esep.errors import FileUnusable, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOCK_PATH = Path(__file__).with_name("kafka.lock")
BROKER = "org.apache.kafka:kafka_2.13"
LOGGING_API = "org.apache.logging.log4j:log4j-core"
# Kafka's pom names log4j but not its binding to slf4j, through which the broker logs; without it nothing is logged.
LOGGING_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl"
STABLE = re.compile(r"4\.\d+\.\d+")

DOWNLOADS_AT_ONCE = 4
DOWNLOAD_ATTEMPTS = 3  # A dropped connection is common on a first install, three in a row mean an outage.
DOWNLOAD_TIMEOUT_S = 30
OTHERS_TIMEOUT_S = 600.0  # 45 MB over a slow line, fetched by another process that we wait for.
VERSIONS_TRIED_MAX = 5
FILE_TIME_S = 315_532_800  # 1980. Java refuses an archive of classes once a jar's time differs: so it never does.

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Artifact:
    """One file of a Maven repository: its coordinate and the SHA-256 of its bytes, in hexadecimal.

    coordinate: `group:artifact:version` for a jar, else `group:artifact:extension:classifier:version`.
    """

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Return the file's name in a Maven repository.

        >>> Artifact("org.slf4j:slf4j-api:1.7.36", "0" * 64).file_name
        'slf4j-api-1.7.36.jar'
        >>> Artifact("org.apache.kafka:kafka-clients:zip:sources:4.2.1", "0" * 64).file_name
        'kafka-clients-4.2.1-sources.zip'
        """
        _, name, *kind, version = self.coordinate.split(":")
        return f"{name}-{version}-{kind[1]}.{kind[0]}" if kind else f"{name}-{version}.jar"


Download = Callable[[Artifact, Path], Path]  # Brings one artifact into a scratch folder, unchecked.


def read_lock(path: Path = LOCK_PATH) -> tuple[Artifact, ...]:
    """Return the artifacts of a lock file in the order of the class path."""
    return tuple(Artifact(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["artifacts"])


def cache_dir() -> Path:
    """Return esep's per-user cache folder: `$XDG_CACHE_HOME/esep`, or `~/.cache/esep` (XDG Base Directory, 0.8)."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".cache") / "esep"


def fetch(
    artifacts: Sequence[Artifact], folder: Path | None = None, download: Download | None = None
) -> tuple[Path, ...]:
    """Return the checked files of these artifacts, in their order, after downloading those that are not there yet.

    folder: where they are kept, by default `jars` in the cache. Every file is hashed at every call (45 MB: 0.1 s).
    Raises FileUnusable for a file that is not what the lock says, TransientError when a download fails.
    """
    folder = folder or cache_dir() / "jars"
    if any(not (folder / artifact.file_name).exists() for artifact in artifacts):
        with exclusive(folder.with_suffix(".busy"), OTHERS_TIMEOUT_S):
            _download_missing(artifacts, folder, download or _download)
    return tuple(_checked(artifact, folder / artifact.file_name) for artifact in artifacts)


@contextlib.contextmanager
def exclusive(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock on this file: one process at a time; the kernel lifts it when its holder dies.

    Raises TransientError if another process still holds it after timeout_s.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    with path.open("w") as handle:
        while not _try_lock(handle.fileno()):
            if time.monotonic() > deadline:
                raise TransientError(
                    f"another process has held {path} for {timeout_s:.0f} s",
                    detail="it downloads or prepares the broker's files",
                    hint="wait until it is done, or stop it, then try again",
                )
            time.sleep(0.05)
        yield


def write_lock(version: str | None = None, path: Path = LOCK_PATH) -> tuple[Artifact, ...]:
    """Resolve a Kafka version (by default the newest 4.x of which every jar can be had) and write its lock file.

    The hashes are those of the files as they arrive now: a rewritten lock is to be reviewed like code.
    """
    with tempfile.TemporaryDirectory() as scratch:
        context = _maven(Path(scratch))
        for candidate in [version] if version else _newest(context):
            try:
                artifacts = _resolve(context, candidate)
            except (RuntimeError, OSError) as error:
                _log.warning("Kafka %s is not complete: %s", candidate, error)
                continue
            entries = [{"coordinate": each.coordinate, "sha256": each.sha256} for each in artifacts]
            _replace(path, json.dumps({"artifacts": entries}, indent=1).encode() + b"\n")
            return artifacts
    raise TransientError(
        f"no complete Kafka {version or '4.x'} was found",
        detail="a jar that it declares is missing, or the repository did not answer",
        hint="try again, or name a version: --lock 4.2.1",
    )


def _download_missing(artifacts: Sequence[Artifact], folder: Path, download: Download) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.glob(".part-*"):  # By a process that was killed: whoever is here is alone.
        shutil.rmtree(abandoned)
    missing = [artifact for artifact in artifacts if not (folder / artifact.file_name).exists()]
    _log.info("fetching %d jars into %s", len(missing), folder)

    def bring(artifact: Artifact) -> None:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as scratch:
            arrived = _checked(artifact, _retried(artifact, Path(scratch), download))
            _sync(arrived)
            os.utime(arrived, (FILE_TIME_S, FILE_TIME_S))
            arrived.replace(folder / artifact.file_name)

    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for _ in pool.map(bring, missing):
            pass


def _retried(artifact: Artifact, scratch: Path, download: Download) -> Path:
    for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
        try:
            # A folder of its own per attempt: jgo takes what a broken one left behind for the whole file.
            return download(artifact, scratch / str(attempt))
        except (RuntimeError, OSError) as error:  # jgo: not found, or an answer other than 200; requests: OSError.
            _log.info("attempt %d for %s: %s", attempt, artifact.coordinate, error)
            why = f"{type(error).__name__}: {error}"
        time.sleep(attempt if attempt < DOWNLOAD_ATTEMPTS else 0)
    raise TransientError(
        f"{artifact.coordinate} could not be fetched",
        detail=why,
        hint="check the network; behind a mirror, name it in jgo's configuration ([repositories])",
    )


def _download(artifact: Artifact, scratch: Path) -> Path:
    group, name, *kind, version = artifact.coordinate.split(":")
    of = {"packaging": kind[0], "classifier": kind[1]} if kind else {}
    return Path(_maven(scratch).project(group, name).at_version(version).artifact(**of).resolve())


def _maven(repo_cache: Path) -> Any:
    from jgo.config import GlobalSettings  # noqa: PLC0415 - 0.4 s, needed only when something is to be fetched
    from jgo.maven import MavenContext  # noqa: PLC0415 - as above

    context = MavenContext(repo_cache=repo_cache, timeout=DOWNLOAD_TIMEOUT_S)
    context.remote_repos = {**GlobalSettings.load().repositories, **context.remote_repos}
    return context


def _newest(context: Any) -> list[str]:
    project = context.project(*BROKER.split(":"))
    project.update()
    stable = [version for version in project.metadata.versions if STABLE.fullmatch(version)]
    return sorted(stable, key=lambda version: [int(part) for part in version.split(".")], reverse=True)[
        :VERSIONS_TRIED_MAX
    ]


def _resolve(context: Any, version: str) -> tuple[Artifact, ...]:
    _, dependencies = context.resolver.resolve([context.create_dependency(f"{BROKER}:{version}")])
    coordinates = [f"{BROKER}:{version}"] + [
        f"{each.groupId}:{each.artifactId}:{each.version}"
        for each in dependencies
        if each.scope in {"compile", "runtime"}
    ]
    # Added by hand and not as a second root: jgo would let its parent's version table override Kafka's own.
    coordinates += [
        each.replace(LOGGING_API, LOGGING_BINDING) for each in coordinates if each.startswith(f"{LOGGING_API}:")
    ]
    return tuple(_pinned(context, coordinate) for coordinate in coordinates)


def _pinned(context: Any, coordinate: str) -> Artifact:
    group, name, version = coordinate.split(":")
    return Artifact(coordinate, _sha256(Path(context.project(group, name).at_version(version).artifact().resolve())))


def _checked(artifact: Artifact, file: Path) -> Path:
    found = _sha256(file)
    if found != artifact.sha256:
        raise FileUnusable(
            f"{file.name} is not the jar that the lock names, and is not used",
            detail=f"SHA-256 of {artifact.coordinate} is {found}, locked is {artifact.sha256}",
            hint=f"delete {file} if it is there, and try again; if it stays so, somebody changed it on the way",
        )
    return file


def _sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(path: Path, content: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        part = Path(scratch) / path.name
        part.write_bytes(content)
        _sync(part)
        part.replace(path)


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def main() -> None:
    """Fetch what the lock names, or rewrite the lock."""
    parser = argparse.ArgumentParser(prog="python -m esep.embedded.artifacts", description=fetch.__doc__)
    parser.add_argument("--lock", nargs="?", const="newest", metavar="VERSION", help="rewrite the lock file instead")
    wanted: str | None = parser.parse_args().lock
    if wanted is None:
        files = fetch(read_lock())
        sys.stdout.write(f"{len(files)} jars, all as locked, in {files[0].parent}\n")
    else:
        artifacts = write_lock(None if wanted == "newest" else wanted)
        sys.stdout.write(f"{LOCK_PATH.name}: {artifacts[0].coordinate} and {len(artifacts) - 1} others\n")


if __name__ == "__main__":
    main()
