"""The wires between brokers: what they replicate and how they elect each other, through proxies that can fail.

Reads     the brokers' plans, and the kernel's table of connections
Writes    the same plans with a listener for brokers beside the one for clients, both it and the controllers' advertised
          at a proxy
Promises  a broker that is set apart is so from all other brokers, both ways, and from no client and not from itself
"""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from esep.closing import Closing
from esep.embedded.kafka_plan import BrokerPlan
from esep.embedded.ports import free_ports
from esep.errors import SettingInvalid
from tests.chaos.link import HOST, Link

if TYPE_CHECKING:
    from typing import Self

    from esep.access_files import AccessFiles
    from esep.embedded.kafka import KafkaBroker


@dataclass(frozen=True)
class MeshedPlan(BrokerPlan):
    """A plan with lines of its own in `server.properties`, where what comes later counts."""

    more: str = ""

    def properties(self, access: AccessFiles | None = None) -> str:
        """Return the text of `server.properties`."""
        return super().properties(access) + self.more


class Mesh(Closing):
    """The wires of a cluster that has not been started yet, by the names of its parts, in order."""

    def __init__(self, parts: tuple[str, ...], brokers: tuple[KafkaBroker, ...]) -> None:
        self._brokers = dict(zip(parts, brokers, strict=True))
        self._listeners = dict(zip(parts, free_ports(len(parts)), strict=True))
        self._links = {
            part: (Link(self._listeners[part], self.caller), Link(broker.plan.controller_port, self.caller))
            for part, broker in self._brokers.items()
        }
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        for link in self._all():
            self._ending.enter_context(link)
        voters = [f"{broker.plan.node_id}@{HOST}:{self._links[part][1].port}" for part, broker in self._brokers.items()]
        for part, broker in self._brokers.items():
            broker.plan = MeshedPlan(**vars(broker.plan), more=self._lines(part, broker.plan, voters))
        return self

    def close(self) -> None:
        """Break off all connections."""
        self._ending.close()

    def set_apart(self, part: str, state: str) -> None:
        """Give the wires between a broker and all others a fault, or make them WHOLE."""
        for other in self._brokers.keys() - {part}:
            for link in self._links[other]:
                link.set(state, part)
            for link in self._links[part]:
                link.set(state, other)

    def caller(self, port: int) -> str:
        """Return which broker has called from this port of the machine; empty where none has."""
        for part, broker in self._brokers.items():
            with contextlib.suppress(psutil.Error, SettingInvalid):
                if any(one.laddr.port == port for one in psutil.Process(broker.pid).net_connections("tcp")):
                    return part
        return ""

    def _lines(self, part: str, plan: BrokerPlan, voters: list[str]) -> str:
        between, election = (f"{HOST}:{link.port}" for link in self._links[part])
        said = {
            "listeners": f"CLIENT://{plan.bootstrap_servers},CONTROLLER://{HOST}:{plan.controller_port},"
            f"BROKER://{HOST}:{self._listeners[part]}",
            "advertised.listeners": f"CLIENT://{plan.bootstrap_servers},BROKER://{between},CONTROLLER://{election}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,BROKER:PLAINTEXT",
            "inter.broker.listener.name": "BROKER",
            "controller.quorum.voters": ",".join(voters),
        }
        return "".join(f"{name}={value}\n" for name, value in said.items())

    def _all(self) -> list[Link]:
        return [link for links in self._links.values() for link in links]
