"""The page of the rules: what each looks at, in words, and what it says.

Reads     esep/rules.yaml
Returns   the text of docs/rules.md
Promises  every number on the page is the file's
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.rules import load_rules
from esep.rules_in_words import filter_text, silence_text, whole_text, window_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.rule_parts import AnyRule
    from esep.rules import Rule, RuleSet, SilenceRule

_HEAD = """# Rules

Made from `esep/rules.yaml` by `make pages`. LIVE: its alerts are raised. SHADOW: none is; `esep rules count` says
what it would find ([for compliance officers](compliance.md)). A rule looks at one person's postings over all
organizers, or at those of one means of payment, whoever used it: at those that are in force, corrected ones as they
are now. It is fulfilled by a posting, together with what came before it; the first one of each day, week or month
(Almaty's) makes the alert. The last rule is about what did not happen: an organizer that is silent when it
usually is not.
"""
_SUBJECTS = {"person": "person", "instrument": "means of payment", "organizer": "organizer"}


def rules_page() -> str:
    """Return the page."""
    rules = load_rules()
    parts = [_HEAD]
    parts += ["\n".join(_section(rules, rule)) + "\n" for rule in rules.rules]
    parts += ["\n".join(_silence(rule)) + "\n" for rule in rules.silences]
    return "\n".join(parts)


def _section(rules: RuleSet, rule: Rule) -> Iterator[str]:
    yield f"## {rule.rule_id}"
    yield ""
    each = "for each entry" if rule.bucket == "entry" else f"for each {_SUBJECTS[rule.subject]} and {rule.bucket}"
    yield from _beginning(rule, each, nightly=rule.engine == "nightly")
    yield f"- fulfilled by: {filter_text(rule.event)}"
    for condition in rule.when:
        yield f"- and: {whole_text(rules, condition, ' **or** ')}"
    yield from _end(rule)


def _silence(rule: SilenceRule) -> Iterator[str]:
    yield f"## {rule.rule_id}"
    yield ""
    yield from _beginning(rule, f"for each {_SUBJECTS[rule.subject]} and day on which a silence began", nightly=True)
    yield f"- fulfilled by what did not happen: {silence_text(rule)}"
    yield from _end(rule)


def _beginning(rule: AnyRule, each: str, *, nightly: bool) -> Iterator[str]:
    since = f" since {rule.since}" if rule.since else ""
    by = " · raised by the nightly run, not by the stream" if nightly else ""
    yield f"{rule.mode}{since}{by} · version {rule.version} · {rule.severity.lower()} · one alert {each}"
    yield ""
    yield f"- rests on: {rule.basis}"


def _end(rule: AnyRule) -> Iterator[str]:
    if rule.waits:
        yield f"- looked at no sooner than {window_text(rule.waits)} after it occurred"
    yield f"- likely to be taken for it: {rule.confuses}"
    if rule.needs:
        yield f"- needs: {rule.needs}"
    yield ""
    yield f"> {_shown(rule.reason.en)}<br>{_shown(rule.reason.ru)}<br>{_shown(rule.reason.kk)}"


def _shown(text: str) -> str:
    """Return a text with its values in a form that the page does not take for something of its own."""
    return text.replace("{", "‹").replace("}", "›").replace(".limit", " limit")
