"""The rules that raise alerts, as data: thresholds, windows, severity, clause, and the reason in three languages.

Reads     nothing
Returns   `Rule`, `WIN_THRESHOLD`, `WIN_STRUCTURED`; for how long the stream may still change an alert
Promises  a number of a rule stands here and nowhere else; a changed rule is a new version of it (box: alerts)
"""

from __future__ import annotations

from dataclasses import dataclass

_HOUR_MS = 3600 * 1000
DAY_MS = 24 * _HOUR_MS
LATENESS_MS = 45 * DAY_MS  # How late a posting may arrive and still count here; the nightly run settles the rest.
MONITORED_TIYN = 1_000_000 * 100  # AML law 191-IV, Art. 4(1)(1): winnings of 1,000,000 tenge or more, inclusive.


@dataclass(frozen=True, slots=True)
class Texts:
    """One sentence in three languages."""

    kk: str
    ru: str
    en: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over payouts of winnings of one person.

    It is fulfilled where at least `payouts_min` of them within `window_ms` (the last one included) together reach
    `sum_tiyn`. reason: may name {sum}, {threshold} and {count}.
    """

    rule_id: str
    version: int
    severity: str
    mode: str
    basis: str
    sum_tiyn: int
    payouts_min: int
    window_ms: int
    reason: Texts


WIN_THRESHOLD = Rule(  # Over payouts that reach the sum alone: one alert for each.
    rule_id="WIN_THRESHOLD",
    version=1,
    severity="MANDATORY",
    mode="LIVE",
    basis="AML law 191-IV, Art. 4(1)(1)",
    sum_tiyn=MONITORED_TIYN,
    payouts_min=1,
    window_ms=1,
    reason=Texts(
        kk="{sum} теңге ұтыс төленді; {threshold} теңгеден басталатын ұтыстар қаржы мониторингіне жатады.",
        ru="Выплачен выигрыш {sum} тенге; финансовому мониторингу подлежат выигрыши от {threshold} тенге.",
        en="Winnings of {sum} tenge were paid; winnings of {threshold} tenge or more are subject to monitoring.",
    ),
)
WIN_STRUCTURED = Rule(  # Over payouts that do not: one alert for each person and Almaty day.
    rule_id="WIN_STRUCTURED",
    version=1,
    severity="HIGH",
    mode="LIVE",
    basis="AML law 191-IV, Art. 4(1)(1): the threshold reached in parts",
    sum_tiyn=MONITORED_TIYN,
    payouts_min=2,
    window_ms=DAY_MS,
    reason=Texts(
        kk="24 сағат ішінде {count} ұтыс төленді: әрқайсысы {threshold} теңгеден аз, барлығы {sum} теңге.",
        ru="Выплат выигрыша за 24 часа: {count}; каждая меньше {threshold} тенге, вместе {sum} тенге.",
        en="{count} payouts of winnings within 24 hours, each below {threshold} tenge, together make {sum} tenge.",
    ),
)
WITHDRAWN_REASON = Texts(
    kk="Кері алынды: түзетуден кейін ереженің шарты енді орындалмайды.",
    ru="Отозвано: после исправления условие правила больше не выполняется.",
    en="Withdrawn: after a correction the rule is no longer fulfilled.",
)
KEPT_MS = LATENESS_MS + max(rule.window_ms for rule in (WIN_THRESHOLD, WIN_STRUCTURED))
