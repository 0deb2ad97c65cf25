from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.embedded import artifacts as module
from esep.embedded.artifacts import LOCK_PATH, Artifact, cache_dir, exclusive, fetch, read_lock, write_lock
from esep.errors import FileUnusable, TransientError

BODIES = {"org.slf4j:slf4j-api:1.7.36": b"api", "com.github.luben:zstd-jni:1.5.6-10": b"zstd"}
LOCKED = tuple(Artifact(coordinate, hashlib.sha256(body).hexdigest()) for coordinate, body in BODIES.items())


class Repository:
    """Brings artifacts like jgo does: into the folder that it is given, whatever the lock says of them."""

    def __init__(self, failures: int = 0) -> None:
        self.bodies = dict(BODIES)
        self.asked: list[str] = []
        self.failures = failures
        self._busy = threading.Lock()

    def __call__(self, artifact: Artifact, scratch: Path) -> Path:
        with self._busy:
            self.asked.append(artifact.coordinate)
            if self.failures:
                self.failures -= 1
                raise ConnectionError("the line dropped")
        scratch.mkdir(parents=True)
        time.sleep(0.01)
        file = scratch / artifact.file_name
        file.write_bytes(self.bodies[artifact.coordinate])
        return file


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Waits between attempts cost a test nothing; the bound of a lock still passes by the clock."""
    sleep = time.sleep
    monkeypatch.setattr(module.time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))


def test_files_come_in_the_order_of_the_lock_and_are_fetched_once(tmp_path):
    repository = Repository()
    files = fetch(LOCKED, tmp_path / "jars", repository)
    assert [file.read_bytes() for file in files] == list(BODIES.values())
    assert fetch(LOCKED, tmp_path / "jars", repository) == files
    assert sorted(repository.asked) == sorted(BODIES)


def test_file_that_arrives_with_another_hash_is_refused_and_not_kept(tmp_path):
    repository = Repository()
    repository.bodies["org.slf4j:slf4j-api:1.7.36"] = b"api, and something more"
    with pytest.raises(FileUnusable, match=r"slf4j-api-1\.7\.36\.jar is not the jar that the lock names") as raised:
        fetch(LOCKED, tmp_path / "jars", repository)
    assert LOCKED[0].sha256 in raised.value.detail
    assert not list((tmp_path / "jars").glob("slf4j*"))


@given(other=st.binary().filter(lambda body: body != BODIES["org.slf4j:slf4j-api:1.7.36"]))
def test_file_changed_in_the_cache_is_refused(tmp_path_factory, other):
    folder = tmp_path_factory.getbasetemp() / "changed" / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCKED[0].file_name).write_bytes(other)
    with pytest.raises(FileUnusable):
        fetch(LOCKED[:1], folder, Repository())


def test_dropped_connection_is_tried_again(tmp_path):
    repository = Repository(failures=2)
    assert len(fetch(LOCKED, tmp_path / "jars", repository)) == 2
    assert len(repository.asked) == 4


def test_repository_that_stays_silent_is_given_up_after_three_attempts(tmp_path):
    repository = Repository(failures=1_000)
    with pytest.raises(TransientError, match="could not be fetched") as raised:
        fetch(LOCKED[:1], tmp_path / "jars", repository)
    assert raised.value.detail == "ConnectionError: the line dropped"
    assert len(repository.asked) == 3


def test_many_at_once_fetch_each_file_once(tmp_path):
    repository = Repository()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(fetch, LOCKED, tmp_path / "jars", repository) for _ in range(8)]
        assert len({call.result() for call in calls}) == 1
    assert sorted(repository.asked) == sorted(BODIES)


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    (tmp_path / "jars" / ".part-dead").mkdir(parents=True)
    fetch(LOCKED, tmp_path / "jars", Repository())
    assert sorted(path.name for path in (tmp_path / "jars").iterdir()) == sorted(each.file_name for each in LOCKED)


def test_lock_held_by_another_is_waited_for_and_then_given_up(tmp_path):
    path = tmp_path / "jars.busy"
    with exclusive(path, 1.0):
        with pytest.raises(TransientError, match="another process has held"), exclusive(path, 0.05):
            pass
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(_enter, path)
            time.sleep(0.01)
            assert not waiting.done()
    with exclusive(path, 0.0):
        pass


def _enter(path: Path) -> None:
    with pytest.raises(TransientError), exclusive(path, 0.1):
        pass


def test_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "esep"
    for unusable in ("", "relative/cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert cache_dir() == Path.home() / ".cache" / "esep"


def test_lock_of_the_package_is_exact_and_names_no_address():
    artifacts = read_lock()
    by_name = {each.coordinate.split(":")[1]: each.coordinate.split(":")[2] for each in artifacts}
    assert len(by_name) == len(artifacts) == len({each.file_name for each in artifacts})
    assert all(re.fullmatch(r"[0-9a-f]{64}", each.sha256) for each in artifacts)
    assert all(re.fullmatch(r"[\w.-]+:[\w.-]+:\d[\w.-]*", each.coordinate) for each in artifacts)
    assert "//" not in LOCK_PATH.read_text()
    assert re.fullmatch(r"4\.\d+\.\d+", by_name["kafka_2.13"])
    assert {by_name[name] for name in by_name if name.startswith("kafka-")} == {by_name["kafka_2.13"]}
    assert {by_name[name] for name in by_name if name.startswith("log4j-")} == {by_name["log4j-core"]}


class Maven:
    """A repository in which Kafka 4.10.0 lacks a jar, seen as jgo shows it."""

    versions = ("3.9.1", "4.9.0", "4.10.0", "4.9.1", "5.0.0-rc1")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.resolver = self

    def project(self, group: str, name: str) -> SimpleNamespace:
        def at_version(version: str) -> SimpleNamespace:
            return SimpleNamespace(artifact=lambda: SimpleNamespace(resolve=lambda: self.file(name, version)))

        metadata = SimpleNamespace(versions=list(self.versions))
        return SimpleNamespace(update=lambda: None, metadata=metadata, at_version=at_version)

    def file(self, name: str, version: str) -> Path:
        if (name, version) == ("kafka-clients", "4.10.0"):
            raise RuntimeError("not found in remote repositories")
        path = self.folder / f"{name}-{version}.jar"
        path.write_text(f"{name} {version}")
        return path

    def create_dependency(self, coordinate: str) -> str:
        return coordinate

    def resolve(self, wanted: list[str]) -> tuple[list[str], list[SimpleNamespace]]:
        version = wanted[0].split(":")[2]
        rows = [
            ("org.apache.kafka", "kafka-clients", version, "compile"),
            ("org.apache.logging.log4j", "log4j-core", "2.25.4", "runtime"),
            ("org.junit", "junit", "4.13", "test"),
        ]
        names = ("groupId", "artifactId", "version", "scope")
        return wanted, [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in rows]


def test_newest_complete_release_is_locked_with_the_binding_of_its_log(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_maven", lambda scratch: Maven(tmp_path))
    written = write_lock(path=tmp_path / "kafka.lock")
    assert [each.coordinate for each in written] == [
        "org.apache.kafka:kafka_2.13:4.9.1",
        "org.apache.kafka:kafka-clients:4.9.1",
        "org.apache.logging.log4j:log4j-core:2.25.4",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
    ]
    assert written[1].sha256 == hashlib.sha256(b"kafka-clients 4.9.1").hexdigest()
    assert read_lock(tmp_path / "kafka.lock") == written


def test_incomplete_release_by_name_is_refused_and_the_lock_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_maven", lambda scratch: Maven(tmp_path))
    (tmp_path / "kafka.lock").write_text(json.dumps({"artifacts": []}))
    with pytest.raises(TransientError, match=r"no complete Kafka 4\.10\.0 was found"):
        write_lock("4.10.0", tmp_path / "kafka.lock")
    assert read_lock(tmp_path / "kafka.lock") == ()
