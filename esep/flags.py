"""What intake notes of an accepted event for the authority alone, as bits of the field `flags`: declared once, here.

Reads     flags.yaml beside this file
Returns   `FLAG_CODES` by bit, ascending; `FLAGS`: the bit of each
Promises  a flag refuses nothing, and no organizer is told of one (DESIGN §4 "Enrich"; clause R2021-3)
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from esep.yaml_text import from_yaml


class FlagCode(BaseModel):
    """One flag: its bit, the field that it is about, what rests on what, and the text for a person.

    needs: the event alone, the lists of restricted persons, or the registers of organizers and of what is barred, as of
    the bet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flag: str
    bit: int
    field: str
    clause: str
    needs: Literal["event", "lists", "register"]
    en: str
    ru: str
    kk: str


_DECLARED = Path(__file__).with_name("flags.yaml").read_text(encoding="utf-8")
FLAG_CODES = tuple(sorted(TypeAdapter(list[FlagCode]).validate_python(from_yaml(_DECLARED)), key=lambda code: code.bit))
FLAGS = {code.flag: code.bit for code in FLAG_CODES}
