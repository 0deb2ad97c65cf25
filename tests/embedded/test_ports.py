from __future__ import annotations

import random
import socket
import subprocess
import sys

import pytest

from esep.embedded import ports as module
from esep.embedded.ports import PORTS, free_ports, port_is_free
from esep.errors import TransientError


def test_ports_are_different_free_and_below_those_of_outgoing_connections():
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(port in PORTS and port_is_free(port) for port in ports)


def test_port_that_somebody_listens_on_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not port_is_free(port)
    assert port_is_free(port)


def choose_elsewhere(port: int) -> subprocess.CompletedProcess[str]:
    """Another process chooses a port and has only this one to choose from."""
    choice = f"import esep.embedded.ports as p; p.PORTS = range({port}, {port + 1}); p.TRIES_MAX = 1; p.free_ports(1)"
    return subprocess.run([sys.executable, "-c", choice], capture_output=True, text=True, check=False)


def test_port_given_to_one_process_is_given_to_no_other():
    [port] = free_ports(1)
    assert "TransientError: no 1 free ports on 127.0.0.1" in choose_elsewhere(port).stderr


def test_port_of_a_process_that_has_ended_is_given_again():
    port = random.choice([port for port in range(14_000, PORTS.start) if port_is_free(port)])
    assert [choose_elsewhere(port).returncode for _ in range(2)] == [0, 0]


def test_search_for_ports_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "port_is_free", lambda port, host: False)
    with pytest.raises(TransientError, match="no 2 free ports"):
        free_ports(2)
