"""The picture in the README has the names that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from esep.topics import all_topics

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PICTURE = README[README.index("```mermaid") : README.index("```", README.index("```mermaid") + 3)]
_BIN = "940140000385"


def test_every_topic_stands_in_the_picture_and_no_other() -> None:
    topics = all_topics([_BIN], events_partitions=1, ledger_partitions=1)
    declared = {topic.name.replace(_BIN, "<BIN>") for topic in topics}
    drawn = set(re.findall(r'"([a-z.&;<>BINlgt]+)" (?:--|\.-)>', PICTURE))
    assert {name.replace("&lt;", "<").replace("&gt;", ">") for name in drawn} == declared


def test_every_arrow_leads_from_a_topic_s_writer_to_its_reader() -> None:
    topics = {
        topic.name.replace(_BIN, "<BIN>"): topic
        for topic in all_topics([_BIN], events_partitions=1, ledger_partitions=1)
    }
    boxes = {"send": _BIN, "gateway": _BIN, "officers": "compliance"}
    arrows = re.findall(r'(\w+)(?:\[[^]]*\])? -[-.] "([^"]+)" (?:--|\.-)> (\w+)', PICTURE)
    drawn = {
        (boxes.get(writer, writer), name.replace("&lt;", "<").replace("&gt;", ">"), boxes.get(reader, reader))
        for writer, name, reader in arrows
    }
    declared = {
        (writer, name, reader) for name, topic in topics.items() for writer in topic.writers for reader in topic.readers
    }
    assert drawn == declared


def test_tables_and_views_of_the_picture_are_those_of_the_migrations() -> None:
    names = re.search(r'clickhouse\[\("ClickHouse<br>(.+)"\)\]', PICTURE)
    assert names is not None
    drawn = set(re.split(r" · |<br>", names.group(1)))
    sql = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "sinks/clickhouse/migrations").glob("*.sql"))
    made = set(re.findall(r"CREATE (?:OR REPLACE )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", sql))
    assert drawn == made


def test_targets_of_the_readme_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) <= targets
