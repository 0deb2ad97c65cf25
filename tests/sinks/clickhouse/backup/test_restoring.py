"""A machine is lost and restored from an incremental backup: each record is a row once, whoever was killed when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from esep.errors import BooksUnbalanced, FileUnusable, SettingInvalid, UsageError
from esep.settings import Settings
from esep.sinks.clickhouse.backup import restoring
from esep.sinks.clickhouse.backup.folder import Backups
from esep.sinks.clickhouse.backup.restoring import restore
from esep.sinks.clickhouse.backup.taking import routing_key_digest, take
from esep.sinks.clickhouse.migrate import migrate, read_migrations, refuse_undone
from esep.sinks.clickhouse.reconcile import reconcile
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import LEDGER_TABLE
from tests.sinks.clickhouse.backup.made import LANE, made, manifest
from tests.sinks.line import BINS
from tests.sinks.loading import committed, load_all, note_and_insert_first_months

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from esep.sinks.clickhouse.backup.manifest import Manifest
    from esep.sinks.clickhouse.backup.restoring import Restored
    from tests.sinks.line import Line, Servers


class Killed(Exception):
    """What happens to a command between two of its steps."""


def kill_at(step: str) -> Callable[[str], None]:
    def on_step(done: str) -> None:
        if done == step:
            raise Killed(step)

    return on_step


@pytest.fixture
def line(servers: Servers) -> Line:
    return servers.line()


def settings_of(servers: Servers, line: Line) -> Settings:
    return line.settings.model_copy(update={"backup_dir": servers.clickhouse.backups})


def taken(settings: Settings, on_step: Callable[[str], None] = lambda _: None, *, is_full: bool = False) -> Manifest:
    return take(settings, BINS, datetime.now(UTC), is_full=is_full, on_step=on_step)


def restored(settings: Settings, manifest: Manifest, step: str = "", *, is_replacing: bool = False) -> Restored:
    """Restore a backup; Killed after a step."""
    return restore(
        *(settings, settings, manifest.name, BINS),
        is_replacing=is_replacing,
        is_tables_only=False,
        on_step=kill_at(step),
    )


@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.long
def test_lost_machine_is_restored_catches_up_and_balances(servers: Servers, line: Line) -> None:
    """O9-4.5, DESIGN §5: a loader dies in the midst of its inserts while the second backup is taken, another when more
    is loaded than the backup has. The restore is killed when all tables are full, and run again."""
    settings = settings_of(servers, line)
    line.fill(1)
    load_all(line)
    first = taken(settings, is_full=True)
    line.fill(1)
    load_all(line)
    line.fill(1)
    second = taken(settings, lambda step: note_and_insert_first_months(line) if step == "cut" else None)
    assert second.base is not None
    assert second.base.name == first.name
    assert first.rows < second.rows < line.total()
    load_all(line)  # Its rows are lost with the machine; what it commits is not.
    line.fill(1)
    note_and_insert_first_months(line)
    store = Store(line.settings)
    layout = store.layout(LEDGER_TABLE)
    servers.lose_clickhouse()
    migrate(line.settings)  # As `esep setup` does it on the new machine.

    with pytest.raises(Killed):
        restored(settings, second, "copied")
    with pytest.raises(SettingInvalid, match="restored in part"):
        refuse_undone(settings)
    done = restored(settings, second)
    refuse_undone(settings)
    assert line.rows() == second.rows, "what came after the cut is still there"
    assert done.removed > 0, "what the dying loader had inserted came after it"
    assert done.months, "and was in the roll-ups, too"
    assert store.layout(LEDGER_TABLE) != layout, "no token of before is relied on"
    store.close()
    assert committed(line) == second.offsets, "else a loader goes on where its rows are not"

    loader = line.loader()
    line.wait_rows(line.total())
    with pytest.raises(UsageError, match="the group loader has 1 members"):
        restored(settings, second, is_replacing=True)
    assert loader.stop() == 0
    line.assert_equal()
    report = reconcile(line.settings, BINS)
    assert all(books.balanced for books in report.lanes), report.differences
    assert report.rollups == ()
    with pytest.raises(UsageError, match=r"has [\d,]+ rows"):
        restored(settings, second)
    assert line.rows() == line.total()


def test_backup_that_is_not_ours_or_is_lost_to_the_loader_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a newer program, of another routing key, of other brokers; of rows that are not those that were taken."""
    key = tmp_path / "routing.key"
    key.write_bytes(b"k" * 32)
    settings = Settings(routing_key_file=key)
    known = {migration.name: migration.checksum for migration in read_migrations()}
    ours = manifest(migrations=known, routing_key=routing_key_digest(settings))
    restoring._refuse_foreign(ours, settings)
    with pytest.raises(UsageError, match="is of another program"):
        restoring._refuse_foreign(manifest(migrations={**known, "0099_later": "ab"}), settings)
    key.write_bytes(b"j" * 32)
    with pytest.raises(UsageError, match="was taken with another routing key"):
        restoring._refuse_foreign(ours, settings)
    monkeypatch.setattr(restoring, "members_of", lambda *_: 0)
    monkeypatch.setattr(restoring, "cluster_id", lambda _: "another")
    with pytest.raises(UsageError, match="its offsets are of other brokers"):
        restoring._start(settings, ours, BINS, 0.0)
    monkeypatch.setattr(restoring, "lanes_below", lambda *_: [LANE.model_copy(update={"digest": "00"})])
    with pytest.raises(BooksUnbalanced, match="its rows are not those that were taken") as refused:
        restoring._prove(object(), ours)  # type: ignore[arg-type]
    assert refused.value.detail == "accepted/0 → ledger/0"


def test_damaged_backup_is_refused_before_anything_is_removed(tmp_path: Path) -> None:
    backups = Backups(tmp_path / "backups")
    made(backups, "1", {"a": b"0"})
    restoring._verify(backups, "1")
    (backups.directory / "1" / "data" / "a").write_bytes(b"1")
    with pytest.raises(FileUnusable, match="backup 1 is not whole") as refused:
        restoring._verify(backups, "1")
    assert refused.value.detail == "1/data/a is not what was written"
