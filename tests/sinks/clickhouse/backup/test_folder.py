"""A backup is whole, or its damage is found; a part of one is none; others cannot look into it."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable, UsageError
from esep.sinks.clickhouse.backup.folder import MANIFEST, Backups
from tests.sinks.clickhouse.backup.made import made

PATHS = st.sampled_from([".backup", "metadata/esep.sql", "data/esep/ledger/202611_1_1_0/data.bin", "data/a", "data/b"])
FILES = st.dictionaries(PATHS, st.binary(max_size=20), min_size=1)


def is_found(backups: Backups, name: str) -> bool:
    try:
        return bool(backups.faults(name))
    except FileUnusable:
        return True


@given(FILES, FILES, st.data())
def test_any_damage_is_found_in_a_backup_and_in_its_base(
    first: dict[str, bytes], second: dict[str, bytes], data: st.DataObject
) -> None:
    """O9-5.1: a byte flipped, cut off or added, a file removed, added or replaced by a link, in either of the two."""
    with tempfile.TemporaryDirectory() as folder:
        backups = Backups(Path(folder) / "backups")
        base = made(backups, "1", first)
        made(backups, "2", second, base)
        assert backups.faults("2") == []
        paths = [path for path in sorted(backups.directory.rglob("*")) if path.is_file()]
        path = data.draw(st.sampled_from(paths))
        change = data.draw(st.sampled_from(["flip", "cut", "add", "remove", "file", "link"]))
        content = path.read_bytes()
        if change == "flip" and content:
            at = data.draw(st.integers(0, len(content) - 1))
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        elif change == "cut" and content:
            path.write_bytes(content[:-1])
        elif change == "remove":
            path.unlink()
        elif change == "file":
            path.with_name("another").write_bytes(b"")
        elif change == "link":
            path.rename(Path(folder) / "elsewhere")
            path.symlink_to(Path(folder) / "elsewhere")
        else:
            path.write_bytes(content + b"\0")
        is_link_of_manifest = change == "link" and path.name == MANIFEST  # It says the same, wherever it is.
        assert is_found(backups, "2") != is_link_of_manifest, (path, change)


def test_base_that_was_exchanged_is_told(tmp_path: Path) -> None:
    backups = Backups(tmp_path)
    tmp_path.chmod(0o700)
    made(backups, "2", {"a": b"1"}, made(backups, "1", {"a": b"0"}))
    for path in sorted((tmp_path / "1").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "1").rmdir()
    made(backups, "1", {"a": b"another"})
    with pytest.raises(FileUnusable, match="backup 2 is based on another 1"):
        backups.faults("2")


def test_backup_that_was_cut_short_is_none(tmp_path: Path) -> None:
    """O9-4.5: until the last step there is no manifest, and without it nothing takes it for a backup."""
    backups = Backups(tmp_path / "backups")
    made(backups, "1", {"a": b"0"})
    (backups.begin("2") / "data").write_bytes(b"a part")
    made(backups, "3", {"a": b"0"})
    (backups.directory / "3" / MANIFEST).write_bytes(b"{}")
    assert ([one.name for one in backups.whole()], backups.unusable()) == (["1"], ["2", "3"])
    with pytest.raises(FileUnusable, match="there is no whole backup 2"):
        backups.faults("2")


def test_nobody_else_may_look_into_a_backup(tmp_path: Path) -> None:
    """O9-5.1."""
    backups = Backups(tmp_path / "backups")
    made(backups, "1", {"a": b"0"})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (backups.directory, backups.directory / "1")}
    assert modes == {"backups": 0o700, "1": 0o700}
    assert stat.S_IMODE((backups.directory / "1" / MANIFEST).stat().st_mode) == 0o600
    backups.directory.chmod(0o755)
    with pytest.raises(UsageError, match="everybody on this machine may look into"):
        Backups(backups.directory)


def test_group_of_the_directory_may_read_what_is_in_it(tmp_path: Path) -> None:
    """ClickHouse's server is another user on servers, and is in the group."""
    backups = Backups(tmp_path / "backups")
    backups.directory.chmod(0o2770)
    made(backups, "1", {"a": b"0"})
    assert stat.S_IMODE((backups.directory / "1").stat().st_mode) == 0o2770
    assert stat.S_IMODE((backups.directory / "1" / MANIFEST).stat().st_mode) == 0o640


def test_second_command_is_refused_while_one_is_at_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    refused = pytest.raises(UsageError, match="another backup or restore is at work")
    with Backups(tmp_path).alone(), refused, Backups(tmp_path).alone():
        pass
    with Backups(tmp_path).alone():
        pass
