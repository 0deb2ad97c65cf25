"""The process `esep run alerts`: the stage alerts, run by the shell that all stages share.

Reads     `compliance.rules`; `ledger`, `alerts.instruments`, and on assignment `alerts.changelog`,
          `alerts.instruments.changelog`
Writes    `compliance.alerts`, `alerts.instruments` and both changelogs, one transaction per poll
Promises  what `worker` promises; nothing of its own (box: alerts)
"""

from __future__ import annotations

from esep.rule_topic import RuleFileReader, configured
from esep.security import client_security
from esep.settings import load_settings
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.launch import launch


def main() -> int:
    """Work until told to stop; return the exit code."""
    settings = load_settings()
    reader = RuleFileReader(configured(settings.rules_file), settings.bootstrap_servers, client_security(settings))
    return launch(AlertsStage(reader.files, partitions=settings.ledger_partitions), settings, reader)
