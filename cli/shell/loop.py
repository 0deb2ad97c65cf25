r"""The shell: takes what is typed, one statement or command after the other.

Reads     texts, from a function; ClickHouse
Writes    answers to the terminal or a file, all else to stderr
Promises  no error of a statement ends the shell; what `\f`, `\x`, `\o`, `\timing`, `\pager` set holds for the session;
          SET holds for one statement only, since no session is kept on the server (box: cli)
"""

from __future__ import annotations

import sys
import time
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clickhouse_connect.driver.exceptions import ClickHouseError

from esep.cli.shell.meta import Lookup, command_of, help_text, lookup_of
from esep.cli.shell.running import Cancelled, takes_settings, watched
from esep.cli.shell.showing import Format, pager_of, pieces_of, show, write_file
from esep.cli.shell.text import statements

if TYPE_CHECKING:
    import io
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

_BY_SUFFIX = {f".{form.value}": form for form in Format if form not in {Format.TABLE, Format.VERTICAL, Format.MARKDOWN}}


class Shell:
    """One session. connect: gives a client; lines_max: from more lines on an answer goes through the pager."""

    def __init__(self, connect: Callable[[], Client], lines_max: Callable[[], int], pager: str | None = None) -> None:
        self._connect = connect
        self._lines_max = lines_max
        self._pager = pager_of() if pager is None else pager
        self.client = connect()
        self._has_settings = takes_settings(self.client)
        self.form = Format.TABLE
        self.file: Path | None = None
        self.is_timed = True
        self.is_paged = bool(self._pager)

    def run(self, ask: Callable[[], str]) -> None:
        """Take texts until there are no more."""
        while True:
            try:
                if not self.take(ask()):
                    return
            except KeyboardInterrupt:
                continue
            except EOFError:
                return

    def take(self, text: str) -> bool:
        """Do what a text says; return whether to go on."""
        if text.strip().startswith("\\"):
            return self._command(text)
        for statement in statements(text):
            if not self._shown(Lookup(statement, {}, ""), self.form):
                break  # What follows a statement that failed may rest on it.
        return True

    def _command(self, text: str) -> bool:
        command = command_of(text)
        name, argument = command
        lookup = lookup_of(command)
        if name == r"\q":
            return False
        if lookup is not None:
            self._shown(lookup, Format.TABLE)
        elif name == r"\?":
            _say(help_text())
        elif name == r"\x":
            self._set_form("table" if self.form is Format.VERTICAL else "vertical")
        elif name == r"\f":
            self._set_form(argument)
        elif name == r"\o":
            self._set_file(argument)
        elif name == r"\timing":
            self.is_timed = not self.is_timed
            _say(f"timing is {_on(self.is_timed)}")
        elif name == r"\pager":
            self.is_paged = bool(self._pager) and not self.is_paged
            _say(f"the pager is {_on(self.is_paged)}" if self._pager else "there is no pager on this machine")
        else:
            _say(f"{name} is no command; \\? lists them")
        return True

    def _set_form(self, name: str) -> None:
        named = {form.value: form for form in Format if form is not Format.PARQUET}
        if name not in named:
            _say(f"one of {', '.join(named)}; \\o FILE.parquet writes Parquet")
            return
        self.form = named[name]
        _say(f"answers are shown as {name}")

    def _set_file(self, name: str) -> None:
        if name and Path(name).suffix not in _BY_SUFFIX:
            _say(f"name it FILE{', FILE'.join(_BY_SUFFIX)}")
            return
        self.file = Path(name) if name else None
        _say(f"the next answer goes into {name}" if name else "answers go to the screen")

    def _shown(self, lookup: Lookup, form: Format) -> bool:
        """Run a statement and show its answer; return whether it went well."""
        begun = time.monotonic()
        try:
            answered = self._run(lookup, form)
        except Cancelled as cancelled:
            _say(str(cancelled))
            self.client.close()
            self.client = self._connect()
            return False
        except ClickHouseError as error:
            _say(f"error: {str(error).strip().splitlines()[0]}")
            return False
        except OSError as error:
            _say(f"error: {error.strerror or 'the answer broke off'}")
            return False
        if self.is_timed:
            _say(f"{answered - begun:.3f} s")
        return True

    def _screen(self) -> io.BufferedIOBase:
        screen: Any = sys.stdout.buffer
        return cast("io.BufferedIOBase", screen)

    def _run(self, lookup: Lookup, form: Format) -> float:
        """Run a statement, show its answer, and return when that came: how long it is read is nobody's time."""
        file, self.file = (self.file, None) if lookup.empty == "" else (None, self.file)
        form = _BY_SUFFIX[file.suffix] if file else form
        with watched(self._connect, _progress) as one:
            settings = one.settings if self._has_settings else {}
            pieces = pieces_of(self.client, lookup.statement, form, settings, lookup.parameters, lookup.empty)
            if file is not None:
                _say(f"wrote {write_file(file, pieces):,} bytes into {file}")
                return time.monotonic()
            first = list(islice(pieces, 1))
            one.answered()
            answered = time.monotonic()
            pager = self._pager if self.is_paged else ""
            show(chain(first, pieces), self._screen(), lines_max=self._lines_max(), pager=pager)
            return answered


def _say(text: str) -> None:
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - markup is none of a shell's


def _on(is_so: Any) -> str:
    return "on" if is_so else "off"


def _progress(text: str) -> None:
    """Write how far a statement is over what was written before; nothing, where nobody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
