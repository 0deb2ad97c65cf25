"""Choose ports that stay free until they are used.

Reads     which ports of this machine are in use
Returns   port numbers
Promises  two processes that choose at the same time never get the same port; no client's outgoing connection can
          take a port while its server is down (box: embedded)
"""

from __future__ import annotations

import random
import socket
import sys

from esep.errors import TransientError

# Linux gives outgoing connections 32,768 and up (ip_local_port_range), so these stay free over a restart.
PORTS = range(15_000, 32_000)
TRIES_MAX = 1_000


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return this many different ports on which nobody listens and which no other esep process has been given.

    They are ours as long as this process lives; later the numbers are free again unless something listens on them.

    >>> one, other = free_ports(2)
    >>> one != other and one in PORTS
    True
    """
    ports: list[int] = []
    for port in random.sample(PORTS, TRIES_MAX):
        if port_is_free(port, host) and _claim(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise TransientError(
        f"no {count} free ports on {host}",
        detail=f"{len(ports)} of {TRIES_MAX} tried between {PORTS.start} and {PORTS.stop} were free",
        hint="stop what listens there, then try again",
    )


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen here now. Connections of a former one that linger do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _claim(port: int) -> bool:
    """Take a name that the kernel gives to one process of this network namespace and frees when it ends."""
    if sys.platform != "linux":
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0esep-port-{port}")
    except OSError:
        claim.close()
        return False
    claim.detach()  # Stays open to the end of this process.
    return True
