"""Whatever is done to a chain of lines shows (clause J127-16)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.hash_chain import Chain, Head, faults, head_of, lines, read_heads

TEXTS = ["SELECT 1", "ставка", "a\nb", "\udcff", ""]


def chain_of(path: Path, count: int) -> Head:
    chain = Chain(path, path.with_name("head"))
    for number in range(count):
        chain.append({"text": TEXTS[number % len(TEXTS)]})
    chain.close()
    return chain.head


@given(st.integers(1, 12), st.data())
def test_every_change_of_a_line_shows(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("chain") / "log"
    head = chain_of(path, count)
    rows = path.read_bytes().splitlines(keepends=True)
    what = data.draw(st.sampled_from(["change", "remove", "insert", "move", "cut", "torn"]))
    at = data.draw(st.integers(0, count - 1))
    if what == "change":
        place = data.draw(st.integers(0, len(rows[at]) - 2))
        rows[at] = rows[at][:place] + bytes([rows[at][place] ^ 1]) + rows[at][place + 1 :]
    elif what == "remove":
        del rows[at]
    elif what == "insert":
        rows.insert(at, rows[data.draw(st.integers(0, count - 1))])
    elif what == "move":
        to = data.draw(st.integers(0, count - 1))
        rows.insert(to, rows.pop(at))
        if to == at:
            rows[at] = rows[at].replace(b'"text"', b'"test"')
    elif what == "cut":
        rows = rows[:at]
    else:
        rows[-1] = rows[-1][: len(rows[-1]) // 2]
    path.write_bytes(b"".join(rows))
    assert faults(path, [head]) != []
    assert faults(path, read_heads(path.with_name("head"))) != []


@given(st.lists(st.sampled_from(TEXTS), max_size=12))
def test_chain_that_nobody_touched_is_whole(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("chain") / "log"
    heads = []
    for text in texts:  # Opened anew each time: it goes on where it ended.
        chain = Chain(path)
        heads.append(chain.append({"text": text}))
        chain.close()
    Chain(path).close()
    assert faults(path, heads) == []
    assert [line["n"] for line in lines(path)] == list(range(1, len(texts) + 1))
    assert head_of(path) == (heads[-1] if heads else Head(0, "0" * 64))


def test_chain_made_anew_from_its_beginning_differs_from_a_kept_head(tmp_path: Path) -> None:
    """Who can write the file can compute hashes too; not what was kept elsewhere."""
    head = chain_of(tmp_path / "log", 5)
    (tmp_path / "log").unlink()
    chain = Chain(tmp_path / "log")
    for _ in range(9):
        chain.append({"text": "SELECT 2"})
    chain.close()
    assert faults(tmp_path / "log") == []
    assert [fault.line for fault in faults(tmp_path / "log", [head])] == [0]


def test_line_that_a_failure_of_power_has_torn_stays_and_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "log"
    chain_of(path, 3)
    with path.open("ab") as file:
        file.write(b"0123 {")
    chain = Chain(path)
    assert chain.append({"text": "later"}).number == 4
    chain.close()
    assert next(fault.line for fault in faults(path)) == 4


def test_two_do_not_write_one_chain(tmp_path: Path) -> None:
    first = Chain(tmp_path / "log")
    with pytest.raises(FileUnusable, match="another process"):
        Chain(tmp_path / "log")
    first.close()
    Chain(tmp_path / "log").close()


def test_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="cannot be read"):
        faults(tmp_path / "nosuch")
    (tmp_path / "heads").write_text("no head")
    with pytest.raises(FileUnusable, match="holds no heads"):
        read_heads(tmp_path / "heads")
