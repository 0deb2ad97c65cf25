"""`esep pseudonyms`: keys of the pseudonyms, persons given theirs, and a person named again for a case.

Reads     the file of keys; ClickHouse
Writes    a further key; the tables of pseudonyms; a line about whoever has a person named
Promises  a key is never printed; an IIN is printed by `name` alone, once it is written down for whom (clauses O9-5.1,
          J127-7)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import command_group, err, out, print_json
from esep.cli.stored import stored
from esep.errors import UsageError
from esep.pseudonyms import add_key, read_keys

pseudonyms = command_group(
    name="pseudonyms",
    help="The pseudonyms under which analysts see persons, and who is behind one.\n\n"
    "Example: [bold]esep pseudonyms update[/]",
    no_args_is_help=True,
)


@pseudonyms.command()
def key(data_dir: DataDir = DATA_DIR) -> None:
    """Add a new key to the file of keys; it is in use once `update` has given everybody a pseudonym under it.

    Example: [bold]esep pseudonyms key[/]
    """
    path = settings_of(data_dir).pseudonym_key_file
    out.print(f"key {add_key(path)} is in {path}; `esep pseudonyms update` brings it into use", highlight=False)


@pseudonyms.command()
def update(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Give a pseudonym to every person and means of payment that has none under the last key.

    Example: [bold]esep pseudonyms update[/]
    """
    from esep.sinks.clickhouse.pseudonyms import update as give  # noqa: PLC0415 - an extra

    settings = settings_of(data_dir)
    last = read_keys(settings.pseudonym_key_file)[-1]
    with stored(settings) as client:
        client.set_client_setting("log_comment", "pseudonyms: given to who has none")
        made = give(client, last)
    if as_json:
        print_json(made._asdict())
        return
    news = ", which is in use from now on" if made.is_new else ""
    out.print(
        f"{made.persons} persons and {made.instruments} instruments have a pseudonym under key {made.version}{news}",
        highlight=False,
    )


@pseudonyms.command()
def name(
    pseudonym: Annotated[str, typer.Argument(help="Pseudonym of a person, as analysts see it.")],
    case: Annotated[str, typer.Option("--case", help="Number of the case.")],
    basis: Annotated[str, typer.Option(help="Legal basis: the law and its article.")],
    reason: Annotated[str, typer.Option(help="Why the person has to be known, without a person's number.")],
    by: Annotated[str, typer.Option("--by", help="Who asks.")],
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print the IIN behind a pseudonym, once it is written down who asks, for which case and on which basis.

    Example: [bold]esep pseudonyms name p1-… --case 7-114/26 --basis "AML law, Art. 4" --reason "case" --by d.omarov[/]
    """
    from esep.sinks.clickhouse.pseudonyms import Asked, reidentify  # noqa: PLC0415 - an extra

    stated = f"{case.strip()}: {basis.strip()}"
    with stored(settings_of(data_dir)) as client:
        client.set_client_setting("log_comment", stated)
        iin = reidentify(client, pseudonym, Asked(by, stated, reason, datetime.now(UTC)))
    if iin is None:
        raise UsageError("there is no such pseudonym", hint="it was written down that it was asked for")
    err.print(f"written down: case {case}, asked by {by}", highlight=False, markup=False)
    if as_json:
        print_json({"pseudonym": pseudonym, "iin": iin})
    else:
        typer.echo(iin)
