"""Write the pages that are made from declarations: codes, flags, rules, settings, topics, AsyncAPI, law, guarantees.

Reads     esep/codes.yaml, esep/flags.yaml, esep/rules.yaml, esep/settings.py, esep/topics.py, schemas/,
          docs/legal.yaml; ids of clauses in the tree; docs/guarantees.yaml
Writes    docs/reject-codes.md, flags.md, rules.md, settings.md, topics.md, asyncapi.yaml, legal.md, guarantees.md
Promises  the same declarations give the same bytes; a test fails while a page is stale (`make pages`)
"""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from docs.asyncapi import asyncapi
from docs.guarantees import guarantees_page
from docs.legal import legal
from docs.rules_page import rules_page
from esep.codes import REJECT_CODES
from esep.flags import FLAG_CODES
from esep.settings import Settings
from esep.topics import all_topics

FOLDER = Path(__file__).resolve().parent
_BIN = "940140000385"  # Of the demo's register; the pages write <BIN> for it.


def pages() -> dict[str, str]:
    """Return the text of each generated page by file name."""
    return {
        "reject-codes.md": _reject_codes(),
        "flags.md": _flags(),
        "rules.md": rules_page(),
        "settings.md": _settings(),
        "topics.md": _topics(),
        "asyncapi.yaml": asyncapi(),
        "legal.md": legal(),
        "guarantees.md": guarantees_page(),
    }


def _reject_codes() -> str:
    lines = [
        "# Reject codes",
        "",
        "Made from `esep/codes.yaml` by `make pages`. In order of precedence: where two faults meet, the first one is",
        "the answer. *Offline*: the organizer finds it before sending, with the same code. *Consumes*: the event uses",
        "up its sequence number; what repairs it is a correction, not a repetition.",
        "",
        "| code | field | offline | consumes | clause | text |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {code.code} | {code.field or ''} | {'yes' if code.stateless else ''} | {'yes' if code.consumes else ''} "
        f"| {code.clause} | {code.en}<br>{code.ru}<br>{code.kk} |"
        for code in REJECT_CODES
    ]
    return "\n".join(lines) + "\n"


def _flags() -> str:
    lines = [
        "# Flags",
        "",
        "Made from `esep/flags.yaml` by `make pages`. For the authority alone: a flag is noted on an event that was",
        "accepted, refuses nothing, and is told to no organizer in any form. In SQL: `bitAnd(flags, 4) != 0`.",
        "",
        "| flag | bit | field | needs | rests on | text |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {code.flag} | {code.bit} | {code.field} | {code.needs} | {code.clause} "
        f"| {code.en}<br>{code.ru}<br>{code.kk} |"
        for code in FLAG_CODES
    ]
    return "\n".join(lines) + "\n"


def _settings() -> str:
    lines = [
        "# Settings",
        "",
        "Made from `esep/settings.py` by `make pages`. Every part reads the environment and nothing else.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, declared in Settings.model_fields.items():
        default = "" if declared.default in {None, PydanticUndefined} else f"`{declared.default}`"
        lines.append(f"| `ESEP_{name.upper()}` | {default} | {declared.description} |")
    return "\n".join(lines) + "\n"


def _topics() -> str:
    defaults = Settings.model_construct()
    topics = all_topics(
        [_BIN], events_partitions=defaults.events_partitions, ledger_partitions=defaults.ledger_partitions
    )
    lines = [
        "# Topics",
        "",
        "Made from `esep/topics.py` by `make pages`. Partition counts are the settings' defaults; they never change.",
        "",
        "| topic | partitions | key | written by | read by | settings of the broker |",
        "|---|---|---|---|---|---|",
    ]
    for topic in topics:
        config = "<br>".join(f"`{key}={value}`" for key, value in sorted(topic.config.items()))
        cells = (
            f"`{topic.name}`",
            topic.partitions,
            topic.key,
            ", ".join(topic.writers),
            ", ".join(topic.readers),
            config,
        )
        lines.append(f"| {' | '.join(map(str, cells))} |".replace(_BIN, "<BIN>"))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
