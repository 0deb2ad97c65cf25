"""Large winnings and their corrections, which a simulation has too few of to raise many alerts.

Reads     the plan of a simulation
Returns   frames of messages (columns of MESSAGES), all meant to be accepted
Promises  the same for the same plan; about half of the payouts are corrected: void, another amount, another person
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import polars as pl

from esep.codec import encode_one
from esep.partitioner import partition_of
from esep.producers.simulate.generator import ACCEPTED, GOOD, MESSAGES, messages
from esep.producers.simulate.people import people_of
from esep.producers.simulate.plan import Plan
from esep.schemas import schema
from esep.topics import events_topic

BATCH = 500  # Simulated messages between two handfuls of winnings.
_HANDFUL = 12
_EVENTS_OF_A_WINNER = 6_000
_WINNERS_MIN = 15
_CARDS = 4 / 5  # For each winner, at all organizers: some are used by one person or two, and others by more.
_TENGE = (200_000, 1_300_000)  # From a fifth of the threshold on: alone, in parts, or not at all.
_STAKE_TIYN = 100_000_00
_DAYS = 3
PAYOUT, CORRECTION = schema("payout"), schema("correction")
_VALUES = (
    *("event_type", "site_id", "iin", "wager_id", "occurred_at", "amount_tiyn", "payment_method", "instrument_kind"),
    *(
        "instrument_hash",
        "instrument_key_version",
        "channel",
        "funding",
        "odds_milli",
        "selections",
        "kind",
        "won_tiyn",
    ),
    *("wager_occurred_at", "wager_amount_tiyn"),
)


def messages_with_wins(plan: Plan) -> Iterator[pl.DataFrame]:
    """Yield the messages of a plan, and behind each batch some winnings."""
    desks = [_Desk(plan, place) for place in range(len(plan.register.organizers))]
    number = plan.events
    for nth, frame in enumerate(messages(plan, BATCH)):
        handful = desks[nth % len(desks)].handful(number)
        number += len(handful)
        yield pl.concat([frame, pl.DataFrame(handful, schema=MESSAGES, orient="row")])


class _Desk:
    """One organizer's stream of winnings."""

    def __init__(self, plan: Plan, place: int) -> None:
        organizer = plan.register.organizers[place]
        self._draw = random.Random(f"{plan.run}/{place}")
        self._until, self._bin, self._site = plan.until, organizer.bin, organizer.sites[0].id
        self._stream = f"wins-{plan.run}"
        self._partition = partition_of(self._stream.encode(), plan.partitions)
        winners = max(_WINNERS_MIN, plan.events // _EVENTS_OF_A_WINNER)
        self._iins = people_of(winners, len(plan.register.organizers), plan.seed).iins.to_list()
        self._cards = [sha256(f"{plan.run}/card {card}".encode()).hexdigest() for card in range(int(winners * _CARDS))]
        self._sequence = 0
        self._payouts: list[tuple[int, dict[str, Any]]] = []  # Not corrected yet: sequence and values.

    def handful(self, number: int) -> list[tuple[Any, ...]]:
        """Return the next messages, as rows of MESSAGES; number: of the first one."""
        values = [self._correction() if self._draw.random() < 1 / 3 else self._payout() for _ in range(_HANDFUL)]
        head, key = (self._bin, events_topic(self._bin), self._partition), self._stream.encode()
        return [(place, *head, key, value, GOOD, ACCEPTED, None) for place, value in enumerate(values, number)]

    def _payout(self) -> bytes:
        values = self._values(f"w-{self._sequence + 1}")
        head = self._numbered()
        self._payouts.append((head["sequence"], values))
        return encode_one({**head, **values}, PAYOUT)

    def _correction(self) -> bytes:
        if not self._payouts:
            return self._payout()
        target, values = self._payouts.pop(self._draw.randrange(len(self._payouts)))
        was = {name: values.get(name) for name in _VALUES} | {"event_type": "PAYOUT", "selections": []}
        others = ({"amount_tiyn": self._amount_tiyn()}, {"iin": self._draw.choice(self._iins)}, None)
        other = self._draw.choice(others)
        now = None if other is None else was | other
        if now is not None:
            now["won_tiyn"] = now["amount_tiyn"] - _STAKE_TIYN
        correction = {
            **self._numbered(),
            "target_sequence": target,
            "replaces_revision": 0,
            "corrected_at": self._until,
            "reason": "Касса қатесі",
            "was": was,
            "now": now,
        }
        return encode_one(correction, CORRECTION)

    def _numbered(self) -> dict[str, Any]:
        self._sequence += 1
        return {"organizer_bin": self._bin, "stream_id": self._stream, "sequence": self._sequence}

    def _values(self, wager_id: str) -> dict[str, Any]:
        occurred_at = self._until - timedelta(seconds=self._draw.randrange(1, _DAYS * 24 * 3600))
        amount_tiyn = self._amount_tiyn()
        return {
            "site_id": self._site,
            "iin": self._draw.choice(self._iins),
            "wager_id": wager_id,
            "occurred_at": occurred_at,
            "amount_tiyn": amount_tiyn,
            "payment_method": "CARD",
            "instrument_kind": "CARD",
            "instrument_hash": self._draw.choice(self._cards),
            "instrument_key_version": 1,
            "kind": "WINNING",
            "won_tiyn": amount_tiyn - _STAKE_TIYN,
            "wager_occurred_at": occurred_at - timedelta(hours=3),
            "wager_amount_tiyn": _STAKE_TIYN,
        }

    def _amount_tiyn(self) -> int:
        return self._draw.randrange(*_TENGE) * 100
