"""What a planted story is told with: persons, their means of payment, bets, payouts, movements of accounts.

Reads     calls, in tenge and in the time of Almaty, in any order
Returns   `Told`: the events of a story by organizer, in order of occurrence, as an organizer would report them
Promises  the same for the same calls; an account never holds less than nothing, so that a story that cannot have
          happened is refused; organizers with an odd number report the longer list of D934-42, as in the simulator
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from esep.clock import ALMATY
from esep.events import Correction, Deposit, Event, Movement, Payout, Selection, Values, Wager, Withdrawal
from esep.identifiers import control_digit
from esep.producers.synthetic import synthetic_iin

YEAR, MONTH, DAYS = 2026, 10, 31
_ZONE = ZoneInfo(ALMATY)
_INSTRUMENT_KEY = b"planted instruments"  # Stands for the key that the authority issues.
_METHOD = {"CARD": "CARD", "WALLET": "E_MONEY", "PHONE": "MOBILE", "BANK_ACCOUNT": "BANK_TRANSFER"}
_BANK = "Халық Банкі"


class Person(NamedTuple):
    role: str
    iin: str


class Means(NamedTuple):
    """A means of payment. kind: CASH, ACCOUNT, or one of the kinds of instruments. method: of the payment."""

    kind: str
    label: str = ""
    method: str = ""


class Device(NamedTuple):
    kind: str
    id: str


STORIES: dict[str, Callable[[Story], None]] = {}
CASH, ACCOUNT = Means("CASH"), Means("ACCOUNT")


def story(tell: Callable[[Story], None]) -> Callable[[Story], None]:
    """Make a function one of the stories of the month, under its own name."""
    STORIES[tell.__name__.replace("_", "-")] = tell
    return tell


def card(label: str) -> Means:
    return Means("CARD", label)


def credit_card(label: str) -> Means:
    return Means("CARD", label, "CREDIT_CARD")


def wallet(label: str) -> Means:
    return Means("WALLET", label)


def bank_account(label: str) -> Means:
    return Means("BANK_ACCOUNT", label)


def on(day: int, hour: int, minute: float = 0, *, month: int = MONTH, year: int = YEAR) -> datetime:
    """Return an instant (UTC) of the clock of Almaty; minutes may be more than an hour has."""
    return (datetime(year, month, day, hour, tzinfo=_ZONE) + timedelta(minutes=minute)).astimezone(UTC)


@dataclass(frozen=True)
class Bet:
    """A bet as it was told, for its payouts to refer to. number: of the entry that tells it."""

    who: Person
    organizer: int
    at: datetime
    stake: int
    odds: float
    wager_id: str
    means: Means
    number: int


@dataclass
class _Entry:
    number: int
    organizer: int
    at: datetime
    kind: type[Wager | Payout | Deposit | Withdrawal]
    who: Person
    fields: dict[str, Any]
    on_account: bool  # Whether it moves money on the betting account.
    device: Device | None = None


@dataclass
class _Mend:
    target: int
    at: datetime
    now: list[dict[str, Any] | None]
    reason: str


class Told(NamedTuple):
    organizer: int
    at: datetime
    stream: str
    sequence: int
    event: Event


@dataclass
class Story:
    """One story on its way. name: part of every id in it, so that no two stories share any."""

    name: str
    persons: dict[str, Person] = field(default_factory=dict)
    means: set[Means] = field(default_factory=set)
    _entries: list[_Entry] = field(default_factory=list)
    _mends: list[_Mend] = field(default_factory=list)

    def person(self, role: str, born: date | None = None) -> Person:
        """Return a person of this story; born: by the IIN (if not given, from 1950 to 1999)."""
        iin = synthetic_iin(f"planted/{self.name}/{role}") if born is None else self._born(born, role)
        return self.persons.setdefault(role, Person(role, iin))

    def people(self, role: str, count: int) -> list[Person]:
        return [self.person(f"{role}-{number}") for number in range(1, count + 1)]

    def bet(
        self, who: Person, organizer: int, at: datetime, stake: int, odds: float, *, on: str = "tobol-atyrau",
        outcome: str = "1", market: str = "1X2", means: Means = ACCOUNT, device: Device | None = None,
        provider: str = _BANK, bonus: int = 0,
    ) -> Bet:  # fmt: skip
        number = len(self._entries)
        bet = Bet(who, organizer, at, stake, odds, f"{self.name}-{number}", means, number)
        odds_milli = round(odds * 1000)
        picked = Selection(event_id=on, market_id=market, outcome_id=outcome, odds_milli=odds_milli)
        fields = {
            "wager_id": bet.wager_id,
            "amount_tiyn": stake * 100,
            "channel": "RETAIL" if means is CASH else "ONLINE",
            "funding": "BONUS" if bonus else "ACCOUNT_BALANCE" if means is ACCOUNT else _moved_by(means),
            "odds_milli": odds_milli,
            "selections": (picked,),
            **self._paid_by(means),
        }
        if _reports_more(organizer):
            longer = {"bet_kind": "SINGLE", "market_names": (market,), "bonus_tiyn": bonus * 100}
            fields |= {**longer, "account_id": self._account(who, organizer), "payment_provider": provider}
        self._add(organizer, at, Wager, who, fields, device=device, on_account=means is ACCOUNT)
        return bet

    def win(self, bet: Bet, minutes: float, paid: int | None = None, to: Means | None = None,
            by: Person | None = None) -> int:  # fmt: skip
        """Pay a winning; paid: if not stake times odds. by: who takes it, if not who has bet. Return its number."""
        sum_paid = round(bet.stake * bet.odds) if paid is None else paid
        return self._pay(bet, minutes, "WINNING", sum_paid, to or bet.means, by or bet.who)

    def refund(self, bet: Bet, minutes: float, to: Means | None = None) -> int:
        return self._pay(bet, minutes, "REFUND", bet.stake, to or bet.means, bet.who)

    def cash_out(self, bet: Bet, minutes: float, paid: int) -> int:
        return self._pay(bet, minutes, "CASH_OUT", paid, bet.means, bet.who)

    def deposit(self, who: Person, organizer: int, at: datetime, amount: int, means: Means, *,
                provider: str = _BANK, device: Device | None = None) -> None:  # fmt: skip
        self._move(Deposit, who, organizer, at, amount, means, provider, device)

    def withdraw(self, who: Person, organizer: int, at: datetime, amount: int, means: Means, *,
                 provider: str = _BANK, device: Device | None = None) -> None:  # fmt: skip
        self._move(Withdrawal, who, organizer, at, amount, means, provider, device)

    def mend(self, number: int, at: datetime, reason: str, *now: dict[str, Any] | None) -> None:
        """Correct an entry: once for each of `now`, changed values or None, which voids it."""
        self._mends.append(_Mend(number, at, list(now), reason))

    def told(self, sites: Sequence[str]) -> list[Told]:
        """Return all events, in order of occurrence; ValueError for an account below nothing. sites: by organizer."""
        balances: dict[tuple[str, int], int] = defaultdict(int)
        sequences: dict[int, int] = defaultdict(int)
        found: list[Told] = []
        numbered: dict[int, tuple[int, Movement]] = {}
        steps: list[tuple[datetime, int, _Entry | _Mend]] = [(one.at, one.number, one) for one in self._entries]
        steps += [(one.at, one.target, one) for one in self._mends]
        for at, _, step in sorted(steps, key=lambda one: one[:2]):
            organizer = step.organizer if isinstance(step, _Entry) else self._entries[step.target].organizer
            stream = f"{self.name}.{organizer}"
            if isinstance(step, _Entry):
                events: Iterable[Event] = [self._event(step, balances, sites[organizer])]
            else:
                events = _corrections(*numbered[step.target], step)
            for event in events:
                sequences[organizer] += 1
                if isinstance(step, _Entry) and not isinstance(event, Correction):
                    numbered[step.number] = sequences[organizer], event
                found.append(Told(organizer, at, stream, sequences[organizer], event))
        return found

    def _pay(self, bet: Bet, minutes: float, kind: str, paid: int, to: Means, by: Person) -> int:
        fields: dict[str, Any] = {
            "wager_id": bet.wager_id,
            "amount_tiyn": paid * 100,
            "kind": kind,
            "won_tiyn": max(0, paid - bet.stake) * 100,
            "wager_occurred_at": bet.at,
            "wager_amount_tiyn": bet.stake * 100,
            **self._paid_by(to),
        }
        if _reports_more(bet.organizer):
            fields |= {"account_id": self._account(by, bet.organizer), "payment_provider": _BANK}
        at = bet.at + timedelta(minutes=minutes)
        return self._add(bet.organizer, at, Payout, by, fields, on_account=to is ACCOUNT)

    def _move(self, kind: type[Deposit | Withdrawal], who: Person, organizer: int, at: datetime, amount: int,
              means: Means, provider: str, device: Device | None) -> None:  # fmt: skip
        fields = {
            "amount_tiyn": amount * 100,
            "payment_id": f"{self.name}-{len(self._entries)}",
            "account_id": self._account(who, organizer),
            "payment_provider": provider,
            **self._paid_by(means),
        }
        self._add(organizer, at, kind, who, fields, on_account=True, device=device)

    def _add(self, organizer: int, at: datetime, kind: type[Wager | Payout | Deposit | Withdrawal], who: Person,
             fields: dict[str, Any], *, on_account: bool, device: Device | None = None) -> int:  # fmt: skip
        number = len(self._entries)
        self._entries.append(_Entry(number, organizer, at, kind, who, fields, on_account, device))
        return number

    def _event(self, entry: _Entry, balances: dict[tuple[str, int], int], site_id: str) -> Movement:
        fields = {**entry.fields, "site_id": site_id, "iin": entry.who.iin, "occurred_at": entry.at}
        if entry.on_account:
            before = balances[entry.who.iin, entry.organizer]
            comes = entry.kind in {Deposit, Payout}
            own = fields["amount_tiyn"] - (fields.get("bonus_tiyn") or 0)
            after = before + own if comes else before - own
            if after < 0:
                raise ValueError(f"{self.name}: {entry.who.role} has not got so much at {entry.at}")
            balances[entry.who.iin, entry.organizer] = after
            if "account_id" in fields:
                fields |= {"balance_before_tiyn": before, "balance_after_tiyn": after}
        if entry.device is not None and (_reports_more(entry.organizer) or entry.kind in {Deposit, Withdrawal}):
            fields |= {"device_kind": entry.device.kind, "device_id": entry.device.id}
        return entry.kind.model_validate(fields)

    def _paid_by(self, means: Means) -> dict[str, Any]:
        if means in {CASH, ACCOUNT}:
            return {"payment_method": means.kind}
        self.means.add(means)
        digest = hmac.digest(_INSTRUMENT_KEY, f"{means.kind}:{self.name}/{means.label}".encode(), sha256).hex()
        return {
            "payment_method": means.method or _METHOD[means.kind],
            "instrument_kind": means.kind,
            "instrument_hash": digest,
            "instrument_key_version": 1,
        }

    def _account(self, who: Person, organizer: int) -> str:
        return f"{self.name}-{who.role}-{organizer}"

    def _born(self, born: date, role: str) -> str:
        serial = int(sha256(f"planted/{self.name}/{role}".encode()).hexdigest(), 16)
        century = 5 if born.year >= 2000 else 3
        for step in range(10_000):
            digits = f"{born:%y%m%d}{century}{(serial + step) % 10_000:04d}"
            control = control_digit(digits)
            if control is not None:
                return f"{digits}{control}"
        raise AssertionError("every serial of a day lacks a control digit, which cannot be")


def _moved_by(means: Means) -> str:
    return "CASH" if means is CASH else _METHOD[means.kind]


def _reports_more(organizer: int) -> bool:
    return organizer % 2 == 1


def _corrections(sequence: int, event: Movement, mend: _Mend) -> list[Correction]:
    """Return the corrections of an event, each replacing what the one before has said."""
    was: Values | None = Values(event_type=type(event).__name__.upper(), **event.model_dump())
    made = []
    for revision, changes in enumerate(mend.now):
        now = None if changes is None or was is None else was.model_copy(update=changes)
        made.append(
            Correction(
                target_sequence=sequence,
                replaces_revision=revision,
                corrected_at=mend.at,
                reason=mend.reason,
                was=was,
                now=now,
            )
        )
        was = now
    return made
