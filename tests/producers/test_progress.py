"""The bar shows counts where somebody looks, and nothing elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from esep.producers.progress import SendProgress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _show(*, shown: bool) -> None:
    with SendProgress("desk-7.csv", shown=shown) as progress:
        progress.total(36_975)
        progress.sent(30_000)
        progress.sent(6_975)
        progress.received(36_975)


def test_terminal_shows_how_much_was_sent_and_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    _show(shown=True)
    assert "desk-7.csv sent" in terminal.getvalue()
    assert "36975/36975" in terminal.getvalue()
    assert "desk-7.csv receipts" in terminal.getvalue()


@pytest.mark.parametrize(("stream", "shown"), [(io.StringIO(), True), (_Terminal(), False)])
def test_nothing_is_written_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, shown: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    _show(shown=shown)
    assert stream.getvalue() == ""
