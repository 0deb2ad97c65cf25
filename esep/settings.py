"""Every setting of every part: name, type, default, meaning; read from the environment, nowhere else.

Reads     environment variables `ESEP_<NAME>`
Returns   `Settings`
Promises  each setting is declared here once, with its meaning; docs/settings.md is made from this file
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from esep.errors import SettingInvalid


class Settings(BaseSettings):
    """What a part needs to know of the world: addresses, files, sizes."""

    model_config = SettingsConfigDict(env_prefix="ESEP_", frozen=True, extra="ignore")

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port, comma-separated.")
    kafka_security: Literal["PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="PLAINTEXT: nobody is asked who he is, for loopback only. SASL_SSL: TLS and SCRAM."
    )
    kafka_ca_file: Path | None = Field(
        None, description="Certificate (PEM) by which the brokers' own are judged; needed with SASL_SSL."
    )
    kafka_user: str = Field("", description="Principal as which this process acts in Kafka; needed with SASL_SSL.")
    kafka_password_file: Path | None = Field(None, description="File with that principal's password.")
    schema_registry_url: str = Field(
        "", description="Confluent-compatible registry that gives the schema ids; empty: the manifest gives them."
    )
    clickhouse_url: str = Field("http://127.0.0.1:8123", description="ClickHouse's HTTP interface.")
    clickhouse_database: str = Field("esep", description="Database that holds all tables and views.")
    clickhouse_user: str = Field("default", description="User of the loader and of `esep sql`.")
    clickhouse_password_file: Path | None = Field(
        None, description="File with that user's password; none: no password."
    )
    backup_dir: Path | None = Field(
        None,
        description="Directory of backups, by the name that ClickHouse's server has for it, and its only or first"
        " `backups.allowed_path`; `esep up` takes `backups` in its data directory.",
    )
    register_file: Path = Field(
        Path("register.yaml"),
        description="Register of organizers (YAML): published first by setup, read by the loader.",
    )
    rules_file: Path | None = Field(
        None,
        description="Rules of the alerts (YAML) until `esep rules activate` puts some in force; none: those of esep.",
    )
    routing_key_file: Path = Field(Path("routing.key"), description="Secret that makes person keys; must never change.")
    pseudonym_key_file: Path = Field(
        Path("pseudonym.key"),
        description="Secrets that make analysts' pseudonyms, a line per version; the last is in use.",
    )
    store_users_dir: Path = Field(
        Path("store-users"),
        description="Folder of the applications for access to ClickHouse, and of the embedded server's users file.",
    )
    audit_dir: Path = Field(Path("audit"), description="Folder of the embedded ClickHouse's audit log.")
    receipt_key_file: Path = Field(Path("receipt.key"), description="Ed25519 private key (PEM) that signs receipts.")
    ordinal: int = Field(0, ge=0, description="Place of this worker within its stage: 0, 1, 2 …")
    events_partitions: int = Field(2, ge=1, description="Partitions of each organizer's topic; never changes.")
    ledger_partitions: int = Field(4, ge=1, description="Partitions of accepted and ledger; never changes.")
    workers: int = Field(1, ge=1, description="Workers of each part, for which `esep access` makes principals.")
    organizer_bytes_per_s: int = Field(
        10 * 1024 * 1024, ge=1024, description="What one organizer may send to a broker in a second, bytes."
    )
    organizer_request_percent: int = Field(
        100, ge=1, description="How much of one broker thread's time an organizer's requests may take, percent."
    )
    replication_factor: int = Field(1, ge=1, description="Copies of each topic.")
    poll_records_max: int = Field(20_000, ge=1, description="Records of one transaction, at most.")
    poll_bytes_max: int = Field(16 * 1024 * 1024, ge=1024, description="Bytes of one transaction, at most.")
    poll_wait_ms: int = Field(20, ge=0, description="How long a fetch waits for more, milliseconds.")
    session_timeout_ms: int = Field(10_000, ge=1000, description="After this silence a worker loses its partitions.")
    status_file: Path | None = Field(None, description="Where a worker writes how it is (JSON); none: nowhere.")
    loader_rows_max: int = Field(100_000, ge=1, description="Rows of one insert, at most.")
    loader_wait_ms: int = Field(200, ge=1, description="How long the loader gathers rows before it inserts.")
    gateway_host: str = Field(
        "127.0.0.1", description="Address on which the gateway listens; needs TLS but on loopback."
    )
    gateway_port: int = Field(8443, ge=0, le=65535, description="Port of the gateway; 0: any that is free.")
    gateway_cert_file: Path | None = Field(None, description="Certificate of the gateway and its chain (PEM).")
    gateway_key_file: Path | None = Field(None, description="Private key of that certificate (PEM).")
    gateway_body_bytes_max: int = Field(8 * 1024 * 1024, ge=1024, description="Bytes of one request's body, at most.")
    gateway_events_max: int = Field(10_000, ge=1, description="Events of one request, at most.")
    gateway_requests_max: int = Field(32, ge=1, description="Requests under way in the gateway, at most.")
    gateway_organizer_requests_max: int = Field(4, ge=1, description="Requests under way of one organizer, at most.")
    gateway_read_ms: int = Field(20_000, ge=1, description="How long the body of a request may take, milliseconds.")
    gateway_deliver_ms: int = Field(
        20_000, ge=1, description="How long the broker may take to acknowledge a request's events, milliseconds."
    )

    @cached_property
    def clickhouse_password(self) -> str:
        """The password, or an empty text where no file is set."""
        return self.secret("clickhouse_password_file").decode().strip() if self.clickhouse_password_file else ""

    def secret(self, name: str) -> bytes:
        """Return the content of the file that setting `name` points to; SettingInvalid if it cannot be read."""
        path: Path = getattr(self, name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise SettingInvalid(
                f"ESEP_{name.upper()} points to a file that cannot be read",
                detail=f"{path}: {error.strerror}",
                hint="make the file, or set the variable to where it is; `esep up` makes one by itself",
            ) from error


def load_settings(defaults: Mapping[str, str] = MappingProxyType({})) -> Settings:
    """Return the settings of this process; SettingInvalid names each variable that is out of range.

    defaults: values by setting name, for what the environment does not set.
    """
    unset = {name: value for name, value in defaults.items() if f"ESEP_{name.upper()}" not in os.environ}
    try:
        return Settings.model_validate({**Settings().model_dump(exclude_unset=True), **unset})
    except ValidationError as error:
        faults = "; ".join(
            f"ESEP_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise SettingInvalid("a setting is out of range", detail=faults, hint="see docs/settings.md") from error
