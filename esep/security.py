"""How a client of Kafka proves who it is and knows the broker: the settings as librdkafka and aiokafka want them.

Reads     `Settings`, and the files of the CA and of the password that they name
Returns   properties to add to a client's own; none where the line is plain
Promises  the only place that turns settings into them, so no client is left out; the broker's certificate and host
          name are always verified; no key and no password is put on a command line (clause O9-4.2)
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from esep.errors import SettingInvalid

if TYPE_CHECKING:
    from esep.settings import Settings

PLAIN: Mapping[str, str] = MappingProxyType({})  # Neither encrypted nor authenticated: loopback, tests, the demo.
MECHANISM = "SCRAM-SHA-512"


def client_security(settings: Settings) -> dict[str, str]:
    """Return librdkafka's properties for these settings; SettingInvalid if one is missing or its file unreadable."""
    if settings.kafka_security == "PLAINTEXT":
        return {}
    unset = [
        f"ESEP_{name.upper()}"
        for name in ("kafka_ca_file", "kafka_user", "kafka_password_file")
        if not getattr(settings, name)
    ]
    if unset:
        raise SettingInvalid(
            "ESEP_KAFKA_SECURITY is SASL_SSL, and what it needs is not set",
            detail=", ".join(unset),
            hint="`esep access issue` gives an organizer its files, `esep access apply` a stage",
        )
    return librdkafka_properties(
        settings.kafka_user,
        settings.secret("kafka_password_file").decode().strip(),
        settings.secret("kafka_ca_file").decode(),
    )


def librdkafka_properties(user: str, password: str, ca_pem: str) -> dict[str, str]:
    """Return the properties of a librdkafka client that authenticates by SCRAM over TLS.

    ca_pem: the certificate, PEM, by which the broker's own is judged, and no other.
    """
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": MECHANISM,
        "sasl.username": user,
        "sasl.password": password,
        "ssl.ca.pem": ca_pem,
        "ssl.endpoint.identification.algorithm": "https",
    }


def aiokafka_properties(security: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of an aiokafka client that does what these properties of librdkafka say.

    >>> aiokafka_properties(PLAIN)
    {}
    """
    if not security:
        return {}
    return {
        "security_protocol": security["security.protocol"],
        "sasl_mechanism": security["sasl.mechanism"],
        "sasl_plain_username": security["sasl.username"],
        "sasl_plain_password": security["sasl.password"],
        "ssl_context": tls_context(security),
    }


def tls_context(security: Mapping[str, str]) -> ssl.SSLContext:
    """Return a TLS context that trusts the CA of these properties alone and checks host names."""
    context = ssl.create_default_context(cadata=security["ssl.ca.pem"])
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
