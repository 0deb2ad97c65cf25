"""`esep access`: certificates, passwords, rights and quotas of the line's Kafka.

Reads     the register, the settings, the authority's files, what the brokers have
Writes    the authority's files, an organizer's bundle; users, rights and quotas at the brokers
Promises  nothing secret is printed; `plan` changes nothing; `apply` is safe to repeat (clause O9-4.2)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esep.access import AccessPlan, plan_of
from esep.access_apply import Authority
from esep.access_files import LOOPBACK, AccessFiles, write_bundle
from esep.cli.context import ACCESS_DIR, DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import command_group, err, out, print_json, print_table
from esep.errors import SettingInvalid
from esep.register import load_register
from esep.security import client_security
from esep.topics import ADMIN

if TYPE_CHECKING:
    from esep.settings import Settings

access = command_group(
    name="access",
    help="Who may write and read what in Kafka: certificates, passwords, rights, quotas.\n\n"
    "Example: [bold]esep access plan[/]",
    no_args_is_help=True,
)

Hosts = Annotated[list[str] | None, typer.Option("--host", help="Name or address of a broker; once for each.")]
Files = Annotated[
    Path | None, typer.Option(help="The authority's files; by default those of the line that `esep up` runs.")
]
Bin = Annotated[str, typer.Argument(metavar="BIN", help="Organizer: its 12-digit BIN.")]


@access.command()
def init(
    directory: Annotated[Path, typer.Argument(help="New directory for the authority's files.")],
    host: Hosts = None,
) -> None:
    """Make the certificate authority, the brokers' certificate, and the passwords of admin and brokers.

    Example: [bold]esep access init secrets/kafka --host kafka-1.example --host kafka-2.example[/]
    """
    AccessFiles(directory).init((*(host or ()), *LOOPBACK))
    err.print(f"made in {directory}; keep ca.key apart from the brokers", highlight=False)


@access.command()
def renew(
    directory: Annotated[Path, typer.Argument(help="The authority's files.")],
    host: Hosts = None,
) -> None:
    """Replace the brokers' certificate by a new one of the same authority; brokers take it when they start.

    Example: [bold]esep access renew secrets/kafka --host kafka-1.example --host kafka-2.example[/]
    """
    AccessFiles(directory).renew((*(host or ()), *LOOPBACK))
    err.print(f"{AccessFiles(directory).broker_file} is new: start the brokers again, one after the other")


@access.command()
def plan(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Print every principal, right and quota as the register and the topics' declaration call for; changes nothing.

    Example: [bold]esep access plan --json[/]
    """
    planned = _plan(settings_of(data_dir))
    grants, quotas = sorted(planned.grants), sorted(planned.quotas)
    if as_json:
        rights = [grant._asdict() for grant in grants]
        limits = [quota._asdict() for quota in quotas]
        print_json({"principals": planned.principals, "grants": rights, "quotas": limits})
        return
    print_table("rights", ("principal", "kind", "pattern", "name", "operation"), grants)
    print_table("quotas, of each broker", ("principal", "quota", "value"), quotas)


@access.command()
def apply(files: Files = None, data_dir: DataDir = DATA_DIR) -> None:
    """Bring the brokers to what `plan` prints, and print what was changed; safe to repeat.

    Example: [bold]esep access apply --files secrets/kafka[/]
    """
    settings = settings_of(data_dir, ADMIN, files)
    changed = _authority(settings).apply(_plan(settings), _files(files, data_dir))
    for user in changed.users_made:
        out.print(f"+ user {user}", highlight=False)
    for sign, grants in (("+", changed.grants_added), ("-", changed.grants_removed)):
        for grant in grants:
            out.print(f"{sign} {' '.join(grant)}", highlight=False, markup=False, soft_wrap=True)
    for change in changed.quotas_set:
        out.print(f"{'-' if change.value is None else '+'} quota {change.user} {change.key} {change.value or ''}")
    if changed.is_empty:
        out.print("everything is as planned")


@access.command()
def issue(
    organizer: Bin,
    to: Annotated[Path | None, typer.Option(help="Folder for what the organizer is given.")] = None,
    files: Files = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Give an organizer a new password: what it had is good no more. Writes the folder that it is to be handed.

    Example: [bold]esep access issue 940140000385 --to handover/940140000385[/]
    """
    settings = settings_of(data_dir, ADMIN, files)
    _registered(settings, organizer)
    ours = _files(files, data_dir)
    folder = to or ours.bundle_dir(organizer)
    password = _authority(settings).issue(organizer)
    ca_pem = settings.secret("kafka_ca_file").decode()
    write_bundle(folder, organizer, password, ca_pem, settings.bootstrap_servers)
    err.print(f"hand {folder} to the organizer, by a way that nobody else can read", highlight=False)


@access.command()
def revoke(organizer: Bin, files: Files = None, data_dir: DataDir = DATA_DIR) -> None:
    """Shut an organizer out at once, on open connections too, until `issue` gives it a new password.

    Example: [bold]esep access revoke 940140000385[/]
    """
    settings = settings_of(data_dir, ADMIN, files)
    _registered(settings, organizer)
    _authority(settings).revoke(organizer)
    err.print(f"{organizer} is shut out", highlight=False)


def _plan(settings: Settings) -> AccessPlan:
    return plan_of(settings, load_register(settings.register_file).bins)


def _authority(settings: Settings) -> Authority:
    if settings.kafka_security == "PLAINTEXT":
        raise SettingInvalid(
            "these brokers ask nobody who he is, so there is nothing to grant",
            detail="ESEP_KAFKA_SECURITY is PLAINTEXT",
            hint="name the authority's files with --files, or start the line without --plain",
        )
    return Authority(settings.bootstrap_servers, client_security(settings))


def _files(files: Path | None, data_dir: Path) -> AccessFiles:
    return AccessFiles((files or data_dir / ACCESS_DIR).absolute())


def _registered(settings: Settings, organizer_bin: str) -> None:
    if load_register(settings.register_file).find(organizer_bin) is None:
        raise SettingInvalid(
            f"{organizer_bin} is not in the register", detail=str(settings.register_file), hint="register it first"
        )
