"""Start and stop child processes: the one way in which the parts of a stack and the apps are run.

Reads     the kernel's table of processes
Writes    a log file with all that a child prints; a pid file where one is asked for
Promises  a signal reaches the process that was started and never a later one with its number; every wait is bounded;
          a child is asked to end, then killed (box: embedded)
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # it ships no types

from esep.errors import TransientError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

TERM_S = 10.0  # What a part is given to end in order; a broker needs 0.5 s, one with much to flush a few.
KILL_S = 5.0  # From SIGKILL to the end: only a process in uninterruptible I/O takes longer than milliseconds.
POLL_S = 0.02
TAIL_BYTES_MAX = 8_192

# Run in the child before the program: the kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG is 1).
# A program of its own because preexec_fn is not safe beside threads (documentation of subprocess.Popen).
DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class ProcessIdentity:
    """One process for ever: its pid, and when it was started, since pids are given out again.

    >>> ProcessIdentity.of(os.getpid()).is_running()
    True
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Return the identity of the process that has this pid now, or None if there is none."""
        started = _started(pid)
        return cls(pid, started) if started else None

    @classmethod
    def read(cls, path: Path) -> ProcessIdentity | None:
        """Return what a pid file names, whether it still runs or not; None without a readable file."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the pid file at once or not at all."""
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(json.dumps(asdict(self)), encoding="utf-8")
        part.replace(path)

    def is_running(self) -> bool:
        """Return whether this very process runs or is paused; one that has ended and waits for its parent does not."""
        return _started(self.pid) == self.started

    def send(self, signal_number: signal.Signals) -> bool:
        """Send a signal to the process and to all that it has started in its group; return whether it still ran."""
        if not self.is_running():
            return False
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signal_number)
            else:
                os.kill(self.pid, signal_number)
        return True

    def terminate(self) -> None:
        """Ask it to end, and wake it if it is paused, so that it can. Returns at once."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)

    def stop(self, term_s: float = TERM_S) -> None:
        """Ask it to end, kill it if it has not after term_s, and return when it is gone.

        For a process that this one did not start, known from its pid file; else see `ManagedProcess.stop`.
        Raises TransientError if the kernel does not end it.
        """
        self.terminate()
        if not self.wait(term_s):
            self.send(signal.SIGKILL)
            if not self.wait(KILL_S):
                raise TransientError(
                    f"process {self.pid} has not ended {KILL_S:.0f} s after SIGKILL",
                    detail="it waits for a disk or a device",
                    hint="look at it with ps; the rest is stopped",
                )

    def wait(self, timeout_s: float) -> bool:
        """Return whether it has ended, after timeout_s at the latest."""
        deadline = time.monotonic() + timeout_s
        while self.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


class Service(ABC):
    """A context manager for what is started, and stopped in the end."""

    @abstractmethod
    def start(self) -> None:
        """Start it. Does not wait until it is ready."""

    @abstractmethod
    def stop(self) -> object:
        """End it. Without effect if it does not run."""

    def wait_ready(self) -> None:  # noqa: B027 - not all of them can be asked
        """Return as soon as it answers."""

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ManagedProcess(Service):
    """A child process with a log file, in a process group of its own: Ctrl-C in the terminal does not reach it.

    name: what error texts call it. env: all of its environment (default: ours). pid_path: where its identity is kept
    while it runs, so that a later process can find and stop it. die_with_parent: the kernel kills it when this
    process ends in whatever way (Linux; elsewhere only an orderly end stops it); False for what is to outlive us.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        pid_path: Path | None = None,
        die_with_parent: bool = True,
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._command = [str(part) for part in command]
        self._env = dict(os.environ if env is None else env)
        self._pid_path = pid_path
        self._die_with_parent = die_with_parent
        self._child: subprocess.Popen[bytes] | None = None
        self._identity: ProcessIdentity | None = None

    def start(self) -> None:
        """Start it; what it prints is appended to its log file.

        Raises UsageError if it runs already or if there is no such program.
        """
        self.refuse_second()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        # The kernel counts the thread that starts a child as its parent: so one thread, which lives as long as we do.
        self._child = _spawner().submit(self._spawn).result()
        self._identity = ProcessIdentity.of(self._child.pid)
        if self._identity and self._pid_path:
            self._identity.write(self._pid_path)

    def refuse_second(self) -> None:
        """Raise UsageError if it runs already: started by this object or, by its pid file, by another process."""
        known = self._identity if self.is_running() else self._pid_path and ProcessIdentity.read(self._pid_path)
        if known and known.is_running():
            raise UsageError(
                f"{self.name} runs already",
                detail=f"as process {known.pid}" + (f", by {self._pid_path}" if self._pid_path else ""),
                hint="stop it first, or use it",
            )

    @property
    def pid(self) -> int:
        """The process's number. Raises UsageError before the first start."""
        return self._started_child().pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with (negative: the signal), None while it runs."""
        return self._started_child().poll()

    def is_running(self) -> bool:
        """Return whether it has been started and has not ended; a paused one runs."""
        return self._child is not None and self._child.poll() is None

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit code, or None if it still runs after timeout_s."""
        try:
            return self._started_child().wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask it to end and return at once: for several that are to end together. Then `stop` each."""
        if self._identity and self.is_running():
            self._identity.terminate()

    def stop(self, term_s: float = TERM_S) -> int | None:
        """Ask it to end, kill it if it has not after term_s; return its exit code (None: it was never started)."""
        if self._child is None:
            return None
        self.terminate()
        if self.wait(term_s) is None:
            self.kill()
        self._forget()
        return self.exit_code

    def kill(self) -> None:
        """End it at once with SIGKILL, as a crash would, and return when it is gone."""
        self._send(signal.SIGKILL)
        if self.wait(KILL_S) is None:
            raise TransientError(
                f"{self.name} (process {self.pid}) has not ended {KILL_S:.0f} s after SIGKILL",
                detail="it waits for a disk or a device",
                hint=f"look at it with ps, and at {self.log_path}",
            )
        self._forget()

    def pause(self) -> None:
        """Stop its clock (SIGSTOP): it answers nobody and holds all it has, as on a machine that hangs."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on (SIGCONT)."""
        self._send(signal.SIGCONT)

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of what it printed, at most 8 kB, for an error text."""
        return tail(self.log_path, lines)

    def _spawn(self) -> subprocess.Popen[bytes]:
        program = shutil.which(self._command[0], path=self._env.get("PATH"))
        if program is None:
            raise UsageError(f"{self.name}: there is no program {self._command[0]}", hint="check its path")
        command = [program, *self._command[1:]]
        if self._die_with_parent and sys.platform == "linux":
            command = [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT, str(os.getpid()), *command]
        with self.log_path.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own commands, no shell
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True
            )

    def _send(self, signal_number: signal.Signals) -> None:
        if self._identity and self.is_running():
            self._identity.send(signal_number)

    def _started_child(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise UsageError(f"{self.name} has not been started", hint="call start() first")
        return self._child

    def _forget(self) -> None:
        if self._pid_path and ProcessIdentity.read(self._pid_path) == self._identity:
            self._pid_path.unlink(missing_ok=True)


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a text file, at most 8 kB of it; empty without a file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES_MAX))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


@functools.cache
def _spawner() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="esep-spawner")


def _started(pid: int) -> str | None:
    """Return when this pid's process was started, as a text that no other process of this pid shares; None: no such."""
    try:
        return _started_by_proc(pid) if sys.platform == "linux" else _started_by_psutil(pid)
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return None


def _started_by_proc(pid: int) -> str | None:
    # After the name, which may hold anything but ends at the last bracket: state, …, start in ticks since the boot as
    # the 20th (proc_pid_stat(5), fields 3 and 22). Unlike a time of day it does not move when the clock is set.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else f"{_boot_id()}:{fields[19]}"


@functools.cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started_by_psutil(pid: int) -> str | None:
    process = psutil.Process(pid)
    return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
