"""The files of who may write what: the authority's, the brokers', a password per principal, an organizer's bundle.

Reads     a directory that `esep access init` made
Writes    `ca.crt`, `ca.key`, `broker.pem`, `passwords/<principal>`, `organizers/<BIN>/`
Promises  what is secret is readable by its owner alone (0600 in 0700); a password or key that is there is never written
          over unless it is to be replaced; nothing secret is printed (clause O9-4.2)
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from esep.certificates import BROKER_NAME, Issued, make_broker_certificate, make_ca
from esep.errors import FileUnusable, SettingInvalid
from esep.keys import write_secret
from esep.security import MECHANISM, librdkafka_properties
from esep.topics import ADMIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BROKER = BROKER_NAME  # The brokers among themselves; super user as well.
LOOPBACK = ("127.0.0.1", "localhost")
_PASSWORD_BYTES = 32  # 256 bits in 43 characters: nothing that a dictionary or a guess finds.


@dataclass(frozen=True)
class AccessFiles:
    """The directory of the authority that runs the brokers."""

    directory: Path

    @property
    def ca_file(self) -> Path:
        """The certificate that every client is given."""
        return self.directory / "ca.crt"

    @property
    def broker_file(self) -> Path:
        """Key and certificate of the brokers, in one PEM file as Kafka takes it."""
        return self.directory / "broker.pem"

    def exists(self) -> bool:
        """Return whether the directory was initialised."""
        return self.ca_file.exists()

    def init(self, hosts: Sequence[str] = LOOPBACK) -> None:
        """Make the authority, the brokers' certificate and the passwords of admin and brokers.

        hosts: names and addresses under which clients reach the brokers. Raises FileUnusable if there is one already.
        """
        if self.directory.exists() and any(self.directory.iterdir()):
            raise FileUnusable(
                f"{self.directory} is not empty",
                detail="a second authority would shut out everybody who trusts the first",
                hint="name a new directory",
            )
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        ca = make_ca(datetime.now(UTC))
        write_secret(self.directory / "ca.key", ca.key)
        self._write_broker(ca, hosts)
        for principal in (ADMIN, BROKER):
            self.make_password(principal)
        self.ca_file.write_text(ca.certificate, encoding="utf-8")

    def renew(self, hosts: Sequence[str] = LOOPBACK) -> None:
        """Replace the brokers' key and certificate by new ones of the same authority; brokers take it at a restart."""
        self._write_broker(Issued(_read(self.directory / "ca.key"), _read(self.ca_file)), hosts)

    def password_file(self, principal: str) -> Path:
        """Return where the password of a principal of ours is, or would be."""
        return self.directory / "passwords" / principal

    def password(self, principal: str) -> str:
        """Return a principal's password; SettingInvalid if there is none."""
        return _read(self.password_file(principal))

    def make_password(self, principal: str) -> bool:
        """Make the password of a principal of ours unless there is one; return whether it was made."""
        if self.password_file(principal).exists():
            return False
        write_secret(self.password_file(principal), new_password())
        return True

    def settings(self, principal: str) -> dict[str, str]:
        """Return the settings by which a process acts as a principal of ours, by setting name."""
        return {
            "kafka_security": "SASL_SSL",
            "kafka_ca_file": str(self.ca_file),
            "kafka_user": principal,
            "kafka_password_file": str(self.password_file(principal)),
        }

    def security(self, principal: str) -> dict[str, str]:
        """Return librdkafka's properties by which a client acts as a principal of ours."""
        return librdkafka_properties(principal, self.password(principal), _read(self.ca_file))

    def bundle_dir(self, organizer_bin: str) -> Path:
        """Return where an organizer's bundle is kept when nobody names another place."""
        return self.directory / "organizers" / organizer_bin

    def _write_broker(self, ca: Issued, hosts: Sequence[str]) -> None:
        broker = make_broker_certificate(ca, hosts, datetime.now(UTC))
        write_secret(self.broker_file, broker.key + broker.certificate + ca.certificate)


def new_password() -> str:
    """Return a password that nobody has used, of letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def write_bundle(directory: Path, organizer_bin: str, password: str, ca_pem: str, bootstrap_servers: str) -> None:
    """Write what an organizer needs to connect: `client.properties`, `ca.crt`, `password`; an older one is replaced."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(directory / "password", password)
    (directory / "ca.crt").write_text(ca_pem, encoding="utf-8")
    lines = {
        "bootstrap.servers": bootstrap_servers,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": MECHANISM,
        "sasl.username": organizer_bin,
        "ssl.ca.location": "ca.crt",
        "ssl.endpoint.identification.algorithm": "https",
    }
    text = "# librdkafka's names. sasl.password is the content of the file password.\n"
    text += "".join(f"{name}={value}\n" for name, value in lines.items())
    (directory / "client.properties").write_text(text, encoding="utf-8")


def read_bundle(directory: Path) -> tuple[str, dict[str, str]]:
    """Return the brokers' address and librdkafka's security properties of a bundle; FileUnusable if it is none."""
    try:
        lines = (directory / "client.properties").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FileUnusable(
            f"{directory} holds no client.properties",
            detail=error.strerror or "",
            hint="name the directory that `esep access issue` wrote",
        ) from error
    named: Mapping[str, str] = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    ca_pem, password = _read(directory / named.get("ssl.ca.location", "ca.crt")), _read(directory / "password")
    try:
        return named["bootstrap.servers"], librdkafka_properties(named["sasl.username"], password, ca_pem)
    except KeyError as error:
        raise FileUnusable(f"{directory}/client.properties does not say {error.args[0]}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() + ("\n" if path.suffix in {".crt", ".key"} else "")
    except OSError as error:
        raise SettingInvalid(
            f"{path} cannot be read",
            detail=error.strerror or "",
            hint="`esep access init` makes the authority's files, `esep access apply` those of stages",
        ) from error
