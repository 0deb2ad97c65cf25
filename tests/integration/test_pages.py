"""What the pages show is run: `sh` blocks by a shell, `sql` blocks by ClickHouse, `python` blocks by Python."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from esep.embedded.process import ProcessIdentity
from esep.producers.spool import Spool
from tests.integration.line import ROOT, Line, line

pytestmark = [pytest.mark.stack, pytest.mark.long]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(language: str) -> list[tuple[str, str]]:
    """Return (page, block) of every fenced block of a language."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += [
            (page.name, block) for block in re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        ]
    return found


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with line(tmp_path_factory.mktemp("pages")) as started:
        _reader_s_folder(started).mkdir()
        (_reader_s_folder(started) / "examples").symlink_to(ROOT / "examples")
        Spool(_reader_s_folder(started) / "esep.spool", "940140000385").close()
        sent = _shell(started, "esep send examples/bustabit-a.csv --organizer 940140000385 --mapping bustabit")
        assert sent.returncode == 0, sent.stderr
        started.wait_rows("alerts_current WHERE severity = 'MANDATORY'", 1)
        yield started


@pytest.mark.parametrize(("page", "block"), blocks("sh"))
def test_shell_block_runs(up: Line, page: str, block: str) -> None:
    answer = _shell(up, block)
    assert answer.returncode == 0, f"{page}: {answer.stdout}{answer.stderr}"
    assert answer.stdout.strip()


POSTINGS = {"cash-desk-1": 1, "cash-desk-2": 3, "online-1": 2}  # By the stream that a page's example sends on.


@pytest.mark.parametrize(("page", "block"), blocks("sql"))
def test_sql_block_runs(up: Line, page: str, block: str) -> None:
    assert isinstance(up.query(block), list), page


@pytest.mark.parametrize(("page", "block"), blocks("python"))
def test_python_block_runs(up: Line, page: str, block: str, tmp_path: Path) -> None:
    names: dict[str, object] = {
        "bootstrap_servers": up.settings.bootstrap_servers,
        "authority_root_file": up.stack.data_dir / "keys" / "receipt-root.crt",
        "spool_file": tmp_path / "esep.spool",
    }
    exec(compile(block, page, "exec"), names)
    (stream_id,) = set(re.findall(r'stream_id="([^"]+)"', block))
    of_stream = f"WHERE organizer_bin = '940140000385' AND stream_id = '{stream_id}'"
    booked = POSTINGS[stream_id]
    up.wait_until("it is booked", lambda: up.value(f"SELECT count() FROM ledger {of_stream}") == booked)
    assert up.value(f"SELECT count() FROM rejected {of_stream}") == 0


def test_line_can_be_left_running_and_ended(tmp_path: Path) -> None:
    """`make up` and `make down`: detached, found by `status`, gone afterwards, its data still there."""
    env = {**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}", "ESEP_DATA_DIR": str(tmp_path)}

    def esep(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", f"esep {command}"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    assert esep("up --detach").returncode == 0
    try:
        owner = ProcessIdentity.read(tmp_path / "up.pid")
        assert owner is not None
        assert owner.is_running()
        assert esep("status").returncode == 0
        assert esep("up --detach").returncode == 2, "a second line in one directory"
    finally:
        down = esep("down")
    assert down.returncode == 0, down.stderr
    assert not owner.is_running()
    assert esep("down").returncode == 2
    assert (tmp_path / "kafka").exists()


def _reader_s_folder(up: Line) -> Path:
    """Return the folder in which a reader tries the commands: with the examples and a spool, and nothing of ours."""
    return up.stack.data_dir / "reader"


def _shell(up: Line, block: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        **{f"ESEP_{name.upper()}": value for name, value in up.stack.settings.items()},
        "ESEP_DATA_DIR": str(up.stack.data_dir),
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["bash", "-ec", block],
        cwd=_reader_s_folder(up),
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
