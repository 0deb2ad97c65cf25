"""Who bets, where and with what: persons, their organizers, their means of payment; each organizer's sites and streams.

Reads     a register, a seed, how many persons and partitions
Returns   `People`, `Places`: arrays by number of person, organizer, stream
Promises  the same for the same arguments; persons are made up, adult, with well-formed IINs (LEGAL); few bet very often
          and most hardly ever; some are with several organizers (box: producers)
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.clock import to_ms
from esep.identifiers import control_digit
from esep.partitioner import partition_of

if TYPE_CHECKING:
    from datetime import datetime

    from esep.register import Organizer, Register

SLOTS = 3  # Organizers of a person, the favourite first; the same one may fill several.
_TAIL = 0.9  # The n-th keenest person bets in proportion to n ** -0.9 (Zipf).
_FAVOURITE_ONLY = 0.6  # Share of persons with one organizer.
_BORN_FIRST, _BORN_DAYS = date(1955, 1, 1), 16_000  # Up to 1998: all are older than 21.
_KINDS = ("CARD", "CARD", "CARD", "WALLET", "PHONE", "BANK_ACCOUNT")
_BORROWS = 0.04  # Share of persons who pay by the instrument of one of the keenest fiftieth.
_INSTRUMENT_KEY = b"made up instruments"  # Stands for the key that the authority issues.
ONLINE_STREAMS = 2  # Of each organizer.
DESKS = 2  # Of each site.


@dataclass(frozen=True, slots=True)
class Places:
    """Organizers and their streams, by number.

    sites: all site ids, an organizer's from `site_from` on, `site_count` of them. streams: an organizer's from
    `stream_from` on, the online ones first, then the desks site by site. partition_of: of each stream. gap_ms: an
    instant at which the organizer had no licence, -1 where there is none.
    """

    bins: pl.Series
    totalizator: np.ndarray
    sites: pl.Series
    site_from: np.ndarray
    site_count: np.ndarray
    streams: pl.Series
    stream_from: np.ndarray
    organizer_of: np.ndarray
    partition_of: np.ndarray
    gap_ms: np.ndarray


@dataclass(frozen=True, slots=True)
class People:
    """Persons, by number. shares: of all bets, cumulative. organizers: SLOTS of each. stake: how high they play."""

    iins: pl.Series
    shares: np.ndarray
    organizers: np.ndarray
    stake: np.ndarray
    instrument_kinds: pl.Series
    instrument_hashes: pl.Series


def places_of(register: Register, partitions: int, since: datetime, run: str) -> Places:
    """Return the organizers of a register.

    since (UTC): gaps in a licence before it are too old to be of use. run: stands at the end of each stream's name.
    """
    sites = [[site.id for site in organizer.sites] for organizer in register.organizers]
    streams = [_streams(len(ids), run) for ids in sites]
    return Places(
        bins=pl.Series(register.bins, dtype=pl.String),
        totalizator=np.array([organizer.licences[-1].kind == "TOTALIZATOR" for organizer in register.organizers]),
        sites=pl.Series([site for ids in sites for site in ids], dtype=pl.String),
        site_from=_starts(sites),
        site_count=np.array([len(ids) for ids in sites]),
        streams=pl.Series([stream for names in streams for stream in names], dtype=pl.String),
        stream_from=_starts(streams),
        organizer_of=np.repeat(np.arange(len(streams)), [len(names) for names in streams]),
        partition_of=np.array([partition_of(stream.encode(), partitions) for names in streams for stream in names]),
        gap_ms=np.array([_gap_ms(organizer, since) for organizer in register.organizers], np.int64),
    )


def people_of(count: int, organizers: int, seed: int) -> People:
    """Return so many persons, each with one to three of the organizers."""
    draw = np.random.default_rng([seed, 1])
    keen = np.arange(1, count + 1) ** -_TAIL
    sizes = np.arange(1, organizers + 1) ** -0.5  # Some organizers have more customers than others.
    chosen = draw.choice(organizers, (count, SLOTS), p=sizes / sizes.sum())
    loyal = draw.random(count) < _FAVOURITE_ONLY
    chosen[loyal] = chosen[loyal, :1]
    iins = _iins(count, draw)
    kinds = draw.integers(0, len(_KINDS), count)
    payer = _payers(count, np.random.default_rng([seed, 1, 1]))
    return People(
        iins=pl.Series(iins, dtype=pl.String),
        shares=np.cumsum(keen) / keen.sum(),
        organizers=chosen,
        stake=draw.lognormal(0.0, 0.7, count),
        instrument_kinds=pl.Series(_KINDS, dtype=pl.String).gather(kinds[payer]),
        instrument_hashes=pl.Series([hmac.digest(_INSTRUMENT_KEY, iin.encode(), sha256).hex() for iin in iins]).gather(
            payer
        ),
    )


def _payers(count: int, draw: np.random.Generator) -> np.ndarray:
    """Return for each person whose instrument he pays by."""
    payer = np.where(draw.random(count) < _BORROWS, draw.integers(0, -(-count // 50), count), np.arange(count))
    return payer[payer]  # Who lends his own does not borrow: groups, no chains.


def _streams(sites: int, run: str) -> list[str]:
    online = [f"online-{number}" for number in range(1, ONLINE_STREAMS + 1)]
    desks = [f"site-{site}.desk-{number}" for site in range(1, sites + 1) for number in range(1, DESKS + 1)]
    return [f"{name}.{run}" for name in online + desks]


def _starts(parts: list[list[str]]) -> np.ndarray:
    return np.cumsum([0, *(len(part) for part in parts[:-1])])


def _gap_ms(organizer: Organizer, since: datetime) -> int:
    """Return the middle of a span between two licences that begins after an instant."""
    spans = sorted(organizer.licences, key=lambda licence: licence.valid_from)
    for before, after in pairwise(spans):
        if before.valid_to is not None and since < before.valid_to < after.valid_from:
            return to_ms(before.valid_to + (after.valid_from - before.valid_to) / 2)
    return -1


def _iins(count: int, draw: np.random.Generator) -> list[str]:
    iins: dict[str, None] = {}
    while len(iins) < count:
        days, sexes, serials = (draw.integers(0, top, count).tolist() for top in (_BORN_DAYS, 2, 10_000))
        for day, sex, serial in zip(days, sexes, serials, strict=True):
            digits = f"{_BORN_FIRST + timedelta(days=day):%y%m%d}{3 + sex}{serial:04}"
            control = control_digit(digits)
            if control is not None:
                iins[f"{digits}{control}"] = None
    return list(iins)[:count]
