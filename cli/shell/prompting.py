"""The line that is typed: many lines, history, completion.

Reads     the terminal; a file of earlier statements
Writes    that file, which its owner alone can read
Returns   a function that asks for the next text
Promises  a person's number enters no history: stars stand for it in the file; the arrow key brings it back only within
          the session in which it was typed (clause O9-5.1; decision 0031; box: cli)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion, ThreadedCompleter
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, InMemoryHistory

from esep.cli.shell.text import is_whole
from esep.errors import FileUnusable
from esep.identifiers import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History

    from esep.cli.shell.catalogue import Catalogue

_MORE = "   ... "


class MaskedHistory(FileHistory):
    """Statements of earlier sessions, in a file of its owner's, persons' numbers as stars."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
            path.chmod(0o600)
        except OSError as error:
            raise FileUnusable(
                f"the history {path} cannot be written", detail=error.strerror or "", hint="or give --no-history"
            ) from error
        super().__init__(str(path))

    def store_string(self, string: str) -> None:
        """Write a text behind the others."""
        super().store_string(masked(string))


class CatalogueCompleter(Completer):
    """Offers what a catalogue has; it may come later than the first prompt."""

    def __init__(self, catalogue: Callable[[], Catalogue]) -> None:
        self._catalogue = catalogue

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - the library asks so
    ) -> Iterator[Completion]:
        """Yield what may stand at the cursor."""
        for one in self._catalogue().candidates(document.text_before_cursor, document.text_after_cursor):
            yield Completion(one.text, start_position=-one.replaces, display_meta=one.kind)


def asker(history_file: Path | None, catalogue: Callable[[], Catalogue], prompt: str) -> Callable[[], str]:
    """Return what asks for the next text. history_file: None for a history of this session alone.

    It raises EOFError at the end of the input, KeyboardInterrupt when what is typed is thrown away.
    """
    history: History = InMemoryHistory() if history_file is None else MaskedHistory(history_file)
    session: PromptSession[str] = PromptSession(
        history=history,
        completer=ThreadedCompleter(CatalogueCompleter(catalogue)),
        complete_while_typing=False,
        multiline=Condition(lambda: not is_whole(session.default_buffer.text)),
        prompt_continuation=lambda width, *_: _MORE.rjust(width),
        enable_history_search=True,
    )
    return lambda: session.prompt(prompt)
