"""A backup beside a line at work: what was loaded before is whole in it; cut short it is none; a removal undoes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from esep.errors import SettingInvalid, UsageError
from esep.settings import Settings
from esep.sinks.clickhouse.backup.folder import Backups
from esep.sinks.clickhouse.backup.plan import base_of_next
from esep.sinks.clickhouse.backup.taking import directory_of, routing_key_digest, take
from esep.sinks.clickhouse.client import connect
from tests.sinks.line import BINS
from tests.sinks.loading import committed, load_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sinks.line import Servers


class Killed(Exception):
    pass


def test_backup_is_refused_where_nobody_says_where_it_goes(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="nobody says where backups are"):
        directory_of(Settings())
    assert directory_of(Settings(backup_dir=tmp_path)) == tmp_path


def test_routing_key_is_known_again_and_not_told(tmp_path: Path) -> None:
    """O9-5.1."""
    key = tmp_path / "routing.key"
    settings = Settings(routing_key_file=key)
    assert routing_key_digest(settings) is None
    key.write_bytes(b"k" * 32)
    digest = routing_key_digest(settings)
    assert digest is not None
    assert digest == routing_key_digest(settings)
    key.write_bytes(b"j" * 32)
    assert digest != routing_key_digest(settings)


@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.long
def test_backup_cut_short_at_any_step_or_beside_a_removal_is_none(servers: Servers) -> None:
    """O9-4.5: what is left of it is in nobody's way; the next one is based on the last that was whole."""
    line = servers.line()
    settings = line.settings.model_copy(update={"backup_dir": servers.clickhouse.backups})
    line.fill(1)
    load_all(line)

    def killed_at(name: str) -> None:
        def on_step(step: str) -> None:
            if step == name:
                raise Killed

        with pytest.raises(Killed):
            take(settings, BINS, datetime.now(UTC), is_full=False, on_step=on_step)

    def removed_at(name: str) -> None:
        def on_step(step: str) -> None:
            if step == name:
                with connect(line.settings) as client:
                    client.command("INSERT INTO retention_log (entry, state) VALUES (1, 'REMOVED')")

        with pytest.raises(UsageError, match="a month was removed while the backup was taken"):
            take(settings, BINS, datetime.now(UTC), is_full=False, on_step=on_step)

    def loaded_at(name: str) -> Callable[[str], None]:
        def on_step(step: str) -> None:
            if step == name:
                line.fill(1)
                load_all(line)

        return on_step

    loaded, rows = committed(line), line.total()
    late = take(settings, BINS, datetime.now(UTC), is_full=False, on_step=loaded_at("copied"))
    assert (late.offsets, late.rows) == (loaded, rows), "what came meanwhile is not in the copy"
    backups = Backups(servers.clickhouse.backups)
    known = {one.name for one in backups.whole()}
    assert {lane.topic for lane in late.lanes} == {source.topic for source in line.sent}
    killed_at("hashed")
    removed_at("cut")
    assert {one.name for one in backups.whole()} == known
    assert len(backups.unusable()) >= 2
    assert base_of_next(backups.whole(), line.database, is_full=False) == late
    assert backups.faults(late.name) == []
