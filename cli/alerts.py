"""`esep alerts`: what a consumer downstream sees on `compliance.alerts`; and below it all that is done with an alert.

Reads     the topic `compliance.alerts`, committed records only
Writes    one line or one JSON document per revision of an alert
Promises  reads only, under no consumer group; shows persons, so it is for compliance officers (clause O9-5.1)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from esep.admin import no_broker
from esep.cli.alert_report import due, report
from esep.cli.alert_show import show
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.dispose import dispose
from esep.cli.output import command_group, out
from esep.errors import UsageError
from esep.outsider import outsider
from esep.security import PLAIN, client_security
from esep.topics import ALERTS, COMPLIANCE
from esep.versions import decode_record

_ANSWER_S = 10.0
_POLL_S = 0.5  # So that Ctrl-C is heard soon.

alerts = command_group(
    name="alerts",
    help="""Alerts: raised so far, why, what was decided, what is to be reported.

    Example: [bold]esep alerts --follow[/]
    """,
)
for command in (show, dispose, due, report):
    alerts.command()(command)


@alerts.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as alerts come, until Ctrl-C.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print the alerts raised so far, every revision in its order; or what a command below tells of one.

    Example: [bold]esep alerts --follow[/]
    """
    if context.invoked_subcommand is not None:
        _check_order(context)
        return
    try:
        settings = settings_of(data_dir, COMPLIANCE)
        for alert in read_alerts(settings.bootstrap_servers, follow=follow, security=client_security(settings)):
            if as_json:
                typer.echo(json.dumps(alert, default=str, ensure_ascii=False))
            else:
                out.print(alert_line(alert), highlight=False, markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        pass


def _check_order(context: typer.Context) -> None:
    """Raise UsageError for an option before the command below, which would not hear of it."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--" + name.removeprefix("as_").replace("_", "-")
            raise UsageError(
                f"{option} stands before {context.invoked_subcommand}, which would not hear of it",
                hint=f"write it behind: esep alerts {context.invoked_subcommand} … {option}",
            )


def alert_line(alert: dict[str, Any]) -> str:
    """Return an alert as one line of text."""
    observed = ", ".join(
        f"{seen['name']} {seen['value']:,} (≥ {seen['threshold']:,})" for seen in alert["observations"]
    )
    about = alert["iin"] or (
        f"organizer {alert['organizer_bin']}"
        if alert["organizer_bin"]
        else f"instrument {alert['instrument_hash'][:16]}"
    )
    return (
        f"{alert['occurred_at']:%Y-%m-%d %H:%M} {alert['status']:<9} {alert['severity']:<9} {alert['rule_id']} "
        f"v{alert['rule_version']} {about}: {alert['reason_en']} [{observed}]"
    )


def read_alerts(
    bootstrap_servers: str, *, follow: bool, security: Mapping[str, str] = PLAIN
) -> Iterator[dict[str, Any]]:
    """Yield the alerts of the topic in offset order per partition; to its present end, or on and on."""
    config = outsider(bootstrap_servers, COMPLIANCE, security)
    consumer = Consumer(config | {"enable.partition.eof": True, "log_level": 0})
    try:
        unread = _assign_all(consumer, bootstrap_servers)
        while follow or unread:
            message = consumer.poll(_POLL_S)
            if message is None:
                continue
            error, value = message.error(), message.value()
            if error is None and value is not None:
                yield decode_record(value, "alert")
            elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())
    finally:
        consumer.close()


def _assign_all(consumer: Consumer, bootstrap_servers: str) -> set[int]:
    """Start at the beginning of every partition of the topic; return the partitions."""
    try:
        partitions = set(consumer.list_topics(ALERTS, timeout=_ANSWER_S).topics[ALERTS].partitions)
    except KafkaException as error:
        raise no_broker(bootstrap_servers, error) from error
    consumer.assign([TopicPartition(ALERTS, partition, OFFSET_BEGINNING) for partition in sorted(partitions)])
    return partitions
