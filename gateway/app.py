"""The gateway's process.

Reads     `Settings`; SIGTERM, SIGINT
Writes    what the gateway writes
Promises  does not begin where passwords or events would cross a network in the clear; returns the exit code (clause
          O9-4.2; box: gateway)
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import ssl
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from esep.errors import SettingInvalid
from esep.gateway.http import Gateway, Limits
from esep.gateway.sessions import Sessions
from esep.settings import load_settings

if TYPE_CHECKING:
    from esep.settings import Settings

_FINISH_S = 5.0  # What requests under way are given at the end; whoever gets no answer sends again.
_log = logging.getLogger(__name__)


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    settings = load_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    tls, ca_pem = tls_of(settings), ca_of(settings)
    refuse_in_the_clear(settings)
    asyncio.run(serve(settings, tls, ca_pem))
    return 0


def refuse_in_the_clear(settings: Settings) -> None:
    """Raise SettingInvalid if others than this machine could listen in, or act for an organizer."""
    if is_loopback(settings.gateway_host):
        return
    if settings.gateway_cert_file is None:
        raise SettingInvalid(
            f"the gateway does not listen on {settings.gateway_host} without TLS",
            detail="passwords and events would cross the network in the clear",
            hint="set ESEP_GATEWAY_CERT_FILE and ESEP_GATEWAY_KEY_FILE, or listen on 127.0.0.1",
        )
    if settings.kafka_security == "PLAINTEXT":
        raise SettingInvalid(
            f"the gateway does not listen on {settings.gateway_host} in front of a plain line",
            detail="its brokers ask nobody who he is, so anybody could act for an organizer",
            hint="secure the brokers (ESEP_KAFKA_SECURITY=SASL_SSL), or listen on 127.0.0.1",
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """Return the gateway's TLS, None where no certificate is set; SettingInvalid if it cannot be used."""
    if settings.gateway_cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.gateway_cert_file, settings.gateway_key_file)
    except OSError as error:  # ssl.SSLError is one.
        raise SettingInvalid(
            "the gateway's certificate or key cannot be used",
            detail=f"{settings.gateway_cert_file}, {settings.gateway_key_file}: {error.strerror}",
            hint="ESEP_GATEWAY_CERT_FILE and ESEP_GATEWAY_KEY_FILE: PEM, not encrypted, belonging together",
        ) from error
    return context


def ca_of(settings: Settings) -> str | None:
    """Return the certificate by which the brokers are known, None on a plain line; SettingInvalid if it is missing."""
    if settings.kafka_security == "PLAINTEXT":
        return None
    if settings.kafka_ca_file is None:
        raise SettingInvalid(
            "ESEP_KAFKA_SECURITY is SASL_SSL, and what it needs is not set",
            detail="ESEP_KAFKA_CA_FILE; a user is not needed: each organizer brings its own credentials",
            hint="name the ca.crt of `esep access init`",
        )
    return settings.secret("kafka_ca_file").decode()


async def serve(settings: Settings, tls: ssl.SSLContext | None, ca_pem: str | None) -> None:
    """Serve until a signal comes; SettingInvalid if the address cannot be had."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    sessions = Sessions(settings.bootstrap_servers, ca_pem, deliver_s=settings.gateway_deliver_ms / 1000)
    runner = web.AppRunner(
        Gateway(sessions, limits_of(settings)).application(), access_log=None, shutdown_timeout=_FINISH_S
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.gateway_host, settings.gateway_port, ssl_context=tls)
        await site.start()
        _log.info("listening on %s, %s", runner.addresses[0][:2], "TLS" if tls else "loopback without TLS")
        await ended.wait()
    except OSError as error:
        raise SettingInvalid(
            f"cannot listen on {settings.gateway_host}:{settings.gateway_port}",
            detail=error.strerror or "",
            hint="choose another ESEP_GATEWAY_PORT, or stop what listens there",
        ) from error
    finally:
        await runner.cleanup()


def limits_of(settings: Settings) -> Limits:
    """Return what a request may take."""
    return Limits(
        body_bytes_max=settings.gateway_body_bytes_max,
        events_max=settings.gateway_events_max,
        requests_max=settings.gateway_requests_max,
        organizer_requests_max=settings.gateway_organizer_requests_max,
        read_s=settings.gateway_read_ms / 1000,
    )


if __name__ == "__main__":
    sys.exit(main())
