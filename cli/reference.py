"""`esep reference`: publish organizers, barred organizers and resources, holidays and restricted persons; show them.

Reads     a YAML file, or a CSV or Parquet file of persons; the topic `reference`
Writes    the topic `reference`; the topics of organizers that are new
Promises  a file is checked as a whole and its difference shown before anything changes; of persons only counts are
          shown; the same file again changes nothing (DESIGN §4 "Enrich"; clauses O9-3, O9-4.1, R2021-1, R2021-2)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from esep.admin import create_topics
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import command_group, err, out, print_json, print_table
from esep.errors import UsageError
from esep.reference import KINDS, ORGANIZER, Difference, Fact, Published, Reference, load_reference
from esep.reference_topic import ReferenceReader, ReferenceWriter
from esep.restrictions import entries_of, read_persons
from esep.security import client_security
from esep.settings import Settings
from esep.topics import ADMIN, all_topics

_SHOWN_MAX = 20  # Keys of a difference; the rest is counted.
_OF_PERSONS = {".csv", ".parquet"}

reference = command_group(
    name="reference",
    no_args_is_help=True,
    help="""Reference data: organizers, barred organizers and resources, holidays, restricted persons.

    Example: [bold]esep reference load examples/register.yaml --dry-run[/]
    """,
)


@reference.command()
def load(
    file: Annotated[Path, typer.Argument(help="YAML of facts; CSV or Parquet of restricted persons.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Check a file as a whole, show what of it is new, and publish that.

    Example: [bold]esep reference load examples/register.yaml[/]
    """
    facts, persons = read_file(file)
    settings = settings_of(data_dir, ADMIN)
    if dry_run:
        known = published(settings)
        _tell(known, known.difference(facts), known.restrictions.new_among(persons))
        out.print("nothing was changed", highlight=False)
        return
    load_file(settings, facts, persons)


@reference.command()
def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}; none: how many of each.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show the facts of a kind that nothing has superseded, or how many there are; of persons only counts.

    Example: [bold]esep reference show ORGANIZER[/]
    """
    if kind and kind not in KINDS:
        raise UsageError(f"{kind} is no kind of fact", hint=f"one of {', '.join(KINDS)}; persons are counted only")
    known = published(settings_of(data_dir, ADMIN))
    if not kind:
        counts = {of: len(known.latest(of)) for of in KINDS} | known.restrictions.counts()
        if as_json:
            print_json({"version": known.version, "loads": len(known.loads), "counts": counts})
        else:
            print_table(f"reference data, version {known.version}", ("what", "facts"), list(counts.items()))
        return
    facts = [_shown(one) for one in known.latest(kind)]
    if as_json:
        print_json(facts)
    else:
        columns = ("key", "valid_from", "valid_to", "content")
        print_table(kind, columns, [[fact[name] for name in columns] for fact in facts])


def read_file(file: Path) -> tuple[list[Fact], pl.DataFrame]:
    """Return the facts or the entries of persons in a file; FileUnusable says where it is wrong."""
    if file.suffix in _OF_PERSONS:
        return [], entries_of(read_persons(file))
    return load_reference(file).facts(), _nobody()


def load_file(settings: Settings, facts: list[Fact], persons: pl.DataFrame) -> None:
    """Publish what is new, having told what it is, and make the topics of organizers that are new."""
    writer = ReferenceWriter(settings.bootstrap_servers, client_security(settings))
    writer.open()  # Before anything is read, so that no other load comes in between.
    known = published(settings)
    difference, entries = known.difference(facts), known.restrictions.new_among(persons)
    _tell(known, difference, entries)
    if not difference and entries.is_empty():
        return
    bins = [fact.key for fact in difference.added if fact.kind == ORGANIZER]
    if bins:
        make_topics(settings, bins)
    writer.publish(known, difference, entries)
    out.print("published", highlight=False)


def make_topics(settings: Settings, bins: Iterable[str]) -> None:
    """Make the topics of the line that are missing, those of these organizers among them."""
    topics = all_topics(
        bins, events_partitions=settings.events_partitions, ledger_partitions=settings.ledger_partitions
    )
    made = create_topics(settings.bootstrap_servers, topics, settings.replication_factor, client_security(settings))
    err.print(f"topics: {len(topics)}, of which new: {len(made)}", highlight=False)


def load_first(settings: Settings) -> None:
    """Publish the register file where nothing was ever published."""
    if published(settings).loads:
        return
    facts = load_reference(settings.register_file).facts()
    writer = ReferenceWriter(settings.bootstrap_servers, client_security(settings))
    writer.open()
    known = published(settings)
    if not known.loads:  # Nor by somebody else, until the writer was ours.
        writer.publish(known, known.difference(facts), _nobody())
        err.print(f"published from the register: {len(facts)} facts", highlight=False)


def published(settings: Settings) -> Reference:
    """Return all that was published."""
    reader = ReferenceReader(settings.bootstrap_servers, client_security(settings))
    try:
        reader.catch_up()
    finally:
        reader.close()
    return reader.reference


def _nobody() -> pl.DataFrame:
    names = dict.fromkeys(("list", "iin"), pl.String) | dict.fromkeys(("valid_from", "valid_to"), pl.Date)
    return entries_of(pl.DataFrame(schema=names))


def _tell(known: Reference, difference: Difference, entries: pl.DataFrame) -> None:
    """Show what is new: keys of facts, of persons only how many by list."""
    parts = (difference.added, difference.changed)
    by_kind = {kind: tuple(sum(fact.kind == kind for fact in part) for part in parts) for kind in KINDS}
    by_list = {f"persons: {name}": counts for name, counts in known.restrictions.new_by_list(entries).items()}
    rows = [(name, *counts) for name, counts in (by_kind | by_list).items() if any(counts)]
    if not rows:
        out.print("all of it is published already", highlight=False)
        return
    print_table("difference", ("what", "new", "superseding"), rows)
    for mark, part in zip("+~", parts, strict=True):
        for fact in part[:_SHOWN_MAX]:
            out.print(f"{mark} {fact.kind} {fact.key}", highlight=False, markup=False)
        if len(part) > _SHOWN_MAX:
            out.print(f"{mark} and {len(part) - _SHOWN_MAX} more", highlight=False)


def _shown(one: Published) -> dict[str, Any]:
    return {**one.fact._asdict(), "load": one.load + 1, "offset": one.offset}
