"""What is to be said of alerts so that those that stand are those that the ledger asks for.

Reads     what rules find in the ledger; what was last said of each alert
Returns   `News`, in an order of its own
Promises  pure; of what stands as it was found nothing is said, so that what was said is not said again (DESIGN §7)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.rules import Rule, SilenceRule

OPEN, UPDATED, WITHDRAWN = "OPEN", "UPDATED", "WITHDRAWN"
AlertOf = tuple[str, int, str, str]  # Rule id and version, person, means of payment or organizer, bucket.


class Proof(NamedTuple):
    """A posting of an alert's evidence, and where in the ledger it stands."""

    entry_id: str
    revision: int
    leg: int
    occurred_ms: int
    amount_tiyn: int
    partition: int
    offset: int


class Value(NamedTuple):
    """A value as it was found. value: None is the mean of nothing; threshold: what it was compared with."""

    holds: bool
    name: str
    value: int | None
    threshold: int
    unit: str


class Silence(NamedTuple):
    """An organizer's hours without a posting, from the first that counts to its next posting (None: there is none yet).

    hours: how many of them count.
    """

    from_ms: int
    until_ms: int | None
    hours: int


class Finding(NamedTuple):
    """What a rule finds. owner: the IIN, the hash of a means of payment, the BIN. values: of conditions, then others.

    evidence: in total order, what fulfils the rule last. iins: the person of each. reference_version: of that posting.
    A silence has no postings; then reference_version is that of the register.
    """

    rule: Rule | SilenceRule
    owner: str
    bucket: str
    values: tuple[Value, ...]
    evidence: tuple[Proof, ...]
    iins: tuple[str, ...]
    reference_version: int
    silence: Silence | None = None


class Said(NamedTuple):
    """What was last said of an alert. partition: of `compliance.alerts`."""

    rule: Rule | SilenceRule
    owner: str
    bucket: str
    revision: int
    status: str
    evidence: tuple[Proof, ...]
    occurred_ms: int
    reference_version: int
    partition: int
    silence: Silence | None = None


class News(NamedTuple):
    """A new revision of an alert. found: None if it is withdrawn. said: before, None if nothing was."""

    revision: int
    status: str
    found: Finding | None
    said: Said | None

    @property
    def rule(self) -> Rule | SilenceRule:
        """The rule."""
        return self._known.rule

    @property
    def owner(self) -> str:
        """Whom it is about."""
        return self._known.owner

    @property
    def bucket(self) -> str:
        """The bucket."""
        return self._known.bucket

    @property
    def _known(self) -> Finding | Said:
        known = self.found or self.said
        assert known is not None  # noqa: S101 - there is one of them
        return known


def news_of(found: Iterable[Finding], said: Iterable[Said]) -> list[News]:
    """Return what is to be said. found, said: of the same rules, owners and buckets.

    Of what was said of one alert the last revision counts, in whatever order it was read.
    """
    before = {_alert_of(one): one for one in sorted(said, key=lambda one: one.revision)}
    after = {_alert_of(one): one for one in found}
    news = []
    for alert in sorted(before.keys() | after.keys()):
        was, now = before.get(alert), after.get(alert)
        stands = was is not None and was.status != WITHDRAWN
        if (now is None and not stands) or (stands and was and now and _grounds_of(was) == _grounds_of(now)):
            continue
        status = (UPDATED if stands else OPEN) if now else WITHDRAWN
        news.append(News(was.revision + 1 if was else 1, status, now, was))
    return news


def _alert_of(one: Finding | Said) -> AlertOf:
    return one.rule.rule_id, one.rule.version, one.owner, one.bucket


def _grounds_of(one: Finding | Said) -> tuple[tuple[Proof, ...], Silence | None]:
    """Return what an alert rests on: with another one it is told again."""
    return one.evidence, one.silence
