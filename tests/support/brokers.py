"""What tests ask of a broker, be it embedded or a server given by its address."""

from __future__ import annotations

from typing import Protocol


class Broker(Protocol):
    bootstrap_servers: str
