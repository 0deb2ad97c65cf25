"""A stage's producer is watched at its steps: each is told once, in order, and what was begun has come to pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.fated import FatedProducer
from tests.chaos.fates import OF_STAGES, Fates, Step


class Producer:
    """Notes what it is asked."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        def asked(*values: Any, **options: Any) -> int:
            self._log.append(name if name != "produce_batch" else str(values[0]))
            return 1

        return asked


class Watching(Fates):
    """Notes what is reached, and lets nothing happen but what has to come to pass before."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def reached(self, step: Step, settle: Any = lambda: None) -> None:
        settle()
        self._log.append(step)


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def producer(log: list[str]) -> FatedProducer:
    return FatedProducer(Producer(log), Watching(log))


def test_steps_of_a_transaction_are_told_once_and_in_order(producer: FatedProducer, log: list[str]) -> None:
    for _ in range(2):
        log.clear()
        producer.begin_transaction()
        for topic in ("ledger", "ledger", "totals.changelog", "totals.changelog"):
            producer.produce_batch(topic, [], 0)
        producer.send_offsets_to_transaction([], b"", 1.0)
        producer.commit_transaction(1.0)
        assert [step for step in log if step in set(OF_STAGES)] == list(OF_STAGES)
        begun, offered = log.index(Step.BEGUN), log.index(Step.OFFERED)
        assert log.index("begin_transaction") < begun < log.index("ledger")
        assert log.index("send_offsets_to_transaction") < offered < log.index("commit_transaction")
    written, state = log.index(Step.WRITTEN), log.index(Step.STATED)
    assert log[written - 1] == log[state - 1] == "flush", "what was handed over is with the broker"
    assert written < log.index("totals.changelog") < state < log.index("send_offsets_to_transaction")


def test_question_that_writes_nothing_is_no_transaction(producer: FatedProducer, log: list[str]) -> None:
    """`TransactionalWriter.holds` asks the broker like that."""
    producer.begin_transaction()
    producer.send_offsets_to_transaction([], b"", 1.0)
    producer.abort_transaction(1.0)
    assert log == ["begin_transaction", "send_offsets_to_transaction", "abort_transaction"]


def test_rest_is_the_producers_own(producer: FatedProducer, log: list[str]) -> None:
    producer.init_transactions(1.0)
    producer.poll(0)
    assert log == ["init_transactions", "poll"]
