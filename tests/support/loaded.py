"""The `esep` command without the second that Python takes to load it: a process that has loaded it forks for each call.

Reads     nothing
Returns   `esep_command`: the path of a script that takes words, directory, environment and streams like `esep` itself
Promises  each call is a process of its own that runs `esep.cli.main` and nothing else; it ends when its caller's worker
          does. What the real command does before that is tested where lines are started and ended

Some hundred and fifty calls by the tests of pages and of the line would else be a tenth of all processor time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_CALL_BYTES_MAX = 1 << 20
_STREAMS = 3
_SCRIPT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(call).to_bytes(4, "big") + call], [0, 1, 2])
code = server.recv(4)
os._exit(int.from_bytes(code, "big") if code else 70)
"""


@contextmanager
def esep_command(folder: Path) -> Iterator[Path]:
    """Start the process that forks; give the path of the script, which is named `esep`."""
    address, script = folder / "esep.socket", folder / "bin" / "esep"
    script.parent.mkdir()
    script.write_text(_SCRIPT.format(python=sys.executable, address=str(address)))
    script.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        command = [sys.executable, "-m", __name__, str(listener.fileno())]
        server = subprocess.Popen(command, cwd=ROOT, pass_fds=[listener.fileno()], start_new_session=True)
    try:
        yield script
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # Whatever a call has left running too.
        server.wait()


def _serve(listener: socket.socket) -> NoReturn:
    from esep.cli.main import COMMANDS

    for entry in COMMANDS.values():
        import_module(entry.module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody asks how the children ended: they say so themselves.
    while True:
        caller, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _run(caller)
        caller.close()


def _run(caller: socket.socket) -> NoReturn:
    """Be the command: with the caller's words, directory, environment and streams."""
    from esep.cli.main import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    received, streams, _, _ = socket.recv_fds(caller, _CALL_BYTES_MAX, _STREAMS)
    size = int.from_bytes(received[:4], "big")
    while len(received) < 4 + size:
        received += caller.recv(_CALL_BYTES_MAX)
    words, directory, environment = json.loads(received[4:])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["esep", *words]
    sys.modules["__main__"].__package__ = None  # Else it calls itself `python -m …`.
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as Python itself would
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    caller.send((code if isinstance(code, int) else int(code is not None)).to_bytes(4, "big"))
    os._exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
