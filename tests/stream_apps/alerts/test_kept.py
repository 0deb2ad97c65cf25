"""What the stage would lack under a file of rules. That nothing else is lacking is what test_programs.py finds out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from esep.rule_files import RuleFile
from esep.rules import RuleSet
from esep.stream_apps.alerts.kept import begin_too_early
from tests.support.changed_rules import file_of

AT = datetime(2026, 6, 10, 7, tzinfo=UTC)  # Noon in Almaty.
AT_MS = int(AT.timestamp() * 1000)


def rules(since: dict[str, date] | None = None, **versions: int) -> RuleSet:
    return RuleSet.model_validate(file_of(versions, since))


def early(following: RuleSet, *known: RuleSet) -> dict[str, date]:
    files = [
        RuleFile(number, AT_MS - 86_400_000 * (len(known) - number), "", one) for number, one in enumerate(known, 1)
    ]
    return {one.rule.rule_id: one.first_day for one in begin_too_early(files, following, AT_MS)}


def test_rule_with_other_limits_has_all_that_it_looks_at() -> None:
    assert early(rules(NIGHT_BURST=2), rules(NIGHT_BURST=1)) == {}


def test_rule_whose_postings_nobody_looked_at_begins_with_the_day_after_the_instant() -> None:
    assert early(rules(NIGHT_BURST=1), rules(WIN_THRESHOLD=1)) == {"NIGHT_BURST": date(2026, 6, 11)}
    assert early(rules({"NIGHT_BURST": date(2026, 6, 11)}, NIGHT_BURST=1), rules(WIN_THRESHOLD=1)) == {}
    assert early(rules({"NIGHT_BURST": date(2026, 6, 10)}, NIGHT_BURST=1), rules()) == {
        "NIGHT_BURST": date(2026, 6, 11)
    }


def test_rule_about_single_entries_needs_nothing_of_before() -> None:
    assert early(rules(WIN_THRESHOLD=1), rules()) == {}


def test_rule_that_looks_further_back_than_what_is_kept_begins_where_that_begins() -> None:
    """WIN_STRUCTURED_SLOW sees the winnings of WIN_STRUCTURED, over a week where that sees a day: 46 days are kept."""
    first_day = AT.date() - timedelta(days=46)
    assert early(rules(WIN_STRUCTURED_SLOW=1), rules(WIN_STRUCTURED=1)) == {"WIN_STRUCTURED_SLOW": first_day}
    since = {"WIN_STRUCTURED_SLOW": first_day}
    assert early(rules(since, WIN_STRUCTURED_SLOW=1), rules(WIN_STRUCTURED=1)) == {}


def test_rule_is_not_given_what_a_file_in_between_let_go() -> None:
    on, off = rules(NIGHT_BURST=1), rules()
    assert early(rules(NIGHT_BURST=2), on, off) == {"NIGHT_BURST": date(2026, 6, 11)}
    assert early(rules(NIGHT_BURST=2), on, on) == {}


def test_rule_about_means_of_payment_has_nothing_of_rules_about_persons() -> None:
    assert early(rules(SHARED_INSTRUMENT=4), rules(MANY_INSTRUMENTS=1)) == {"SHARED_INSTRUMENT": date(2026, 6, 11)}


def test_text_that_no_rule_asked_for_is_not_there_though_its_posting_is() -> None:
    """PAYOUT_OVER_ODDS compares what one bet paid: it needs the bet's id."""
    file = file_of({"PAYOUT_OVER_ODDS": 1})
    for feature in file["features"]:
        if "wager_id" in feature.get("key", ()):
            del feature["key"]
    assert early(rules(PAYOUT_OVER_ODDS=2), RuleSet.model_validate(file)) == {"PAYOUT_OVER_ODDS": date(2026, 6, 11)}
