"""A register of made-up organizers, so that a line can be started for a simulation.

Reads     how many, a seed, when the simulation ends
Returns   `Register`; the file that intake reads
Promises  the same register for the same three; every BIN is well-formed and nobody is meant; each licence has been
          interrupted once, for February two years before the end, so that bets without a licence can be made up too
          (clauses O9-3, O9-4.1; box: producers)
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import yaml

from esep.clock import ALMATY
from esep.errors import FileUnusable
from esep.identifiers import control_digit
from esep.register import Register

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = (
    ("Алатау", "Алатау"), ("Есіл", "Есиль"), ("Тұлпар", "Тулпар"), ("Бәйге", "Байге"), ("Сырдария", "Сырдарья"),
    ("Қыран", "Кыран"), ("Барыс", "Барс"), ("Көкшетау", "Кокшетау"), ("Арқар", "Архар"), ("Жетісу", "Жетысу"),
)  # fmt: skip
_CITIES = (("ALA", "Алматы"), ("AST", "Астана"), ("SHY", "Шымкент"), ("KGD", "Қарағанды"), ("AKT", "Ақтөбе"))
_SITES_MAX = 4
_TOTALIZATOR_EVERY = 4  # One organizer in four is a totalizator.
_LICENSED_FROM_YEAR = 2015


def made_up_register(organizers: int, seed: int, until: datetime) -> Register:
    """Return a register of so many organizers; until: the end of the simulation, UTC.

    >>> from datetime import UTC
    >>> made_up_register(2, 7, datetime(2026, 11, 21, tzinfo=UTC)).organizers[0].name_ru
    'Тотализатор «Алатау»'
    """
    draw = np.random.default_rng([seed, 0])
    bins = _bins(organizers, draw)
    gap_year = until.astimezone(ZoneInfo(ALMATY)).year - 2
    return Register.model_validate(
        {"version": 1, "organizers": [_organizer(place, bin_, draw, gap_year) for place, bin_ in enumerate(bins)]}
    )


def write_register(register: Register, path: Path) -> None:
    """Write the register as the YAML file that `esep up --register` reads; FileUnusable if it cannot."""
    document = register.model_dump(mode="json", exclude_none=True)
    try:
        path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise FileUnusable(
            f"the register cannot be written to {path}", detail=error.strerror or "", hint="name another file"
        ) from error


def _bins(count: int, draw: np.random.Generator) -> list[str]:
    """Return distinct BINs: year and month of registration, kind 4, 0, serial, control digit."""
    bins: dict[str, None] = {}
    while len(bins) < count:
        digits = f"{draw.integers(5, 24):02}{draw.integers(1, 13):02}40{draw.integers(0, 100_000):05}"
        control = control_digit(digits)
        if control is not None:
            bins[f"{digits}{control}"] = None
    return list(bins)


def _organizer(place: int, organizer_bin: str, draw: np.random.Generator, gap_year: int) -> dict[str, Any]:
    name_kk, name_ru = _NAMES[place % len(_NAMES)]
    number = f" {place // len(_NAMES) + 1}" if place >= len(_NAMES) else ""
    is_totalizator = place % _TOTALIZATOR_EVERY == 0
    kind = "TOTALIZATOR" if is_totalizator else "BOOKMAKER"
    cities = [_CITIES[city] for city in draw.permutation(len(_CITIES))[: draw.integers(1, _SITES_MAX + 1)]]
    zone = ZoneInfo(ALMATY)
    spans = [
        (datetime(_LICENSED_FROM_YEAR, 1, 1, tzinfo=zone), datetime(gap_year, 2, 1, tzinfo=zone)),
        (datetime(gap_year, 3, 1, tzinfo=zone), None),
    ]
    return {
        "bin": organizer_bin,
        "name_kk": f"«{name_kk}{number}» {'тотализаторы' if is_totalizator else 'букмекерлік кеңсесі'}",
        "name_ru": f"{'Тотализатор' if is_totalizator else 'Букмекерская контора'} «{name_ru}{number}»",
        "licences": [
            {"number": f"{kind[:2]}-{place:04}-{part}", "kind": kind, "valid_from": first, "valid_to": last}
            for part, (first, last) in enumerate(spans, start=1)
        ],
        "sites": [{"id": f"{code}-{place + 1}", "address": city} for code, city in cities],
    }
