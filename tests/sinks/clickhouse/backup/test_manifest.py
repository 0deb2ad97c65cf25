"""A manifest is read as it was written, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.lineage import TopicPartition
from esep.sinks.clickhouse.backup.manifest import Cut, File, decode
from tests.sinks.clickhouse.backup.made import LANE, manifest

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(
    st.lists(st.tuples(NAMES, st.integers(0, 9), st.integers(0, 2**62)), max_size=4),
    st.lists(st.tuples(NAMES, st.integers(0, 2**62)), max_size=4),
    st.data(),
)
def test_manifest_with_any_byte_changed_is_refused(
    cuts: list[tuple[str, int, int]], files: list[tuple[str, int]], data: st.DataObject
) -> None:
    """O9-5.1: flipped, cut off, added to; whole, it says what was written."""
    written = manifest(
        cuts=tuple(Cut(topic=topic, partition=partition, offset=offset) for topic, partition, offset in cuts),
        files=tuple(File(path=path, size=size, sha256="00") for path, size in files),
        lanes=(LANE, LANE.model_copy(update={"row_count": 4})),
    )
    whole = written.encode()
    assert decode(whole, written.name) == written
    assert written.rows == 7
    assert written.offsets == {TopicPartition(topic, partition): offset for topic, partition, offset in cuts}
    at, change = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
    flipped = whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :]
    for damaged in (flipped, whole[:at], whole + b"\n", b" " + whole):
        with pytest.raises(FileUnusable, match="is damaged"):
            decode(damaged, written.name)


def test_manifest_of_another_backup_is_refused() -> None:
    with pytest.raises(FileUnusable, match="manifest of backup 20261129T020000000Z is damaged"):
        decode(manifest().encode(), "20261129T020000000Z")
