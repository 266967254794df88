"""An explained payment on a terminal: the payment, the verdict, whether that was sent, and the reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from fraudstream.cli import verdict_text
from fraudstream.cli.verdict_text import heading, indented, time_text

if TYPE_CHECKING:
    from rich.console import Console

    from fraudstream.engine.near_miss import RuleTrial
    from fraudstream.explain.chain import StageChecked
    from fraudstream.explain.event_records import EventRecord
    from fraudstream.explain.explained import Explained


def print_explained(explained: Explained, dead_letters: str) -> None:
    """Print the verdict, the agreement with what was sent, rules, score and features. `dead_letters`: their topic."""
    console = verdict_text.console()
    _print_verdict(console, explained)
    if len(explained.records) > 1:
        print_records(explained.records, dead_letters)
    rules = explained.trial.rules
    messages = {} if explained.trial.alert is None else {hit.rule: hit.message for hit in explained.trial.alert.rules}
    fired, near = ([rule for rule in rules if rule.closeness == closeness] for closeness in ("fired", "near"))
    _print_rules(console, "Rules that fired", fired, messages)
    near.sort(key=lambda rule: rule.shortfall or 0.0)
    _print_rules(console, "Near misses (each threshold missed by at most a quarter)", near, messages)
    others = [rule.rule for rule in rules if rule.closeness == "other"]
    console.print(heading(f"Other rules: {len(others)}"))
    console.print(indented(", ".join(others) or "none"))
    _print_score(console, explained)
    _print_features(console, explained)


def print_rules(explained: Explained) -> None:
    """Print the verdict, and the rules of `explained` with every value that they saw, whether they fired or not."""
    console = verdict_text.console()
    _print_verdict(console, explained)
    trial = explained.trial
    hits = () if trial.alert is None else trial.alert.rules
    for rule in trial.rules:
        said = {"fired": "fired", "near": "nearly fired", "other": "did not fire"}[rule.closeness]
        _print_rules(console, f"Rule that {said}", [rule], {hit.rule: hit.message for hit in hits})
    named = {evidence for rule in trial.rules for evidence in rule.names}
    shown = [value for value in trial.features if value.feature in named]
    if shown:
        console.print(heading("Features that it reads" if len(trial.rules) == 1 else "Features that they read"))
        console.print(indented(verdict_text.features(shown)))


def print_records(records: Sequence[EventRecord], dead_letters: str) -> None:
    """Print every record of an event, a line each, and a dead letter's sentence below. `dead_letters`: the topic."""
    console = verdict_text.console()
    console.print(heading(f"Records of this payment: {len(records)}"))
    for record in records:
        where = f"partition {record.partition}, offset {record.offset:,}"
        if record.what == "dead letter":
            letter = f"dead letter {record.letter} of {dead_letters}"
            console.print(indented(f"{record.topic}, {where}: {letter}, reason {record.reason}"))
            console.print(indented(record.sentence or "", by=4))
        else:
            said = {"first": "decided first", "repeat": "a repeat", "altered": "a repeat of other content"}[record.what]
            console.print(indented(f"{where}: {said}, {record.outcome}"))


def _print_verdict(console: Console, explained: Explained) -> None:
    payment = explained.trial.payment
    what = " ".join(word for word in (payment.direction, payment.kind, payment.channel) if word)
    console.print(
        Text(f"{payment.event_id}: {payment.amount} {payment.currency} {what} of {payment.account_id}", style="bold")
    )
    for line in _verdict_lines(explained):
        console.print(indented(line))
    console.print(Text(f"\n{_agreement(explained)}", style="bold"))
    for difference in explained.differences:
        console.print(indented(f"{difference.path}: sent {difference.sent}, now {difference.now}"))
    if explained.log_begins_at > 0:
        console.print(
            indented(
                f"Retention has deleted the log before offset {explained.log_begins_at:,}. Earlier payments of the "
                "account are unknown, so values may differ from what was sent; 'warming' marks these."
            )
        )
    if explained.lists_unknown:
        console.print(
            indented(
                f"It is unknown whether a value of this payment was on {', '.join(explained.lists_unknown)}: its entry "
                "there is newer, and older entries have been deleted. It is treated as not listed."
            )
        )
    _print_stages(console, explained)


def _verdict_lines(explained: Explained) -> Iterator[str]:
    """Where the payment is in its log, and its verdict."""
    trial, decision = explained.trial, explained.trial.decision
    yield f"occurred {time_text(decision.occurred_at_ms)}, published {time_text(explained.published_at_ms)}"
    yield (
        f"at offset {explained.offset:,} of {explained.topic}-{explained.partition}; "
        f"{explained.records_before:,} records before it were applied"
    )
    yield f"rule set {explained.rule_set}"
    severity = "" if trial.alert is None else f", severity {trial.alert.severity}"
    late = ", late: decided, not added to the state" if decision.late else ""
    yield (
        f"verdict: {decision.outcome}{severity}, score {decision.score:.4f}, "
        f"threshold {trial.score_threshold:.4f}{late}"
    )
    if decision.unmatched:
        yield f"its payment, {trial.payment.relates_to}, is not held by: {', '.join(decision.unmatched)}"
    if decision.alert_id is not None:
        yield f"alert {decision.alert_id}"


def _agreement(explained: Explained) -> str:
    if explained.sent is None:
        return "There is nothing to compare with: no decision on this payment was found."
    if not explained.differences:
        return f"Decided again, the {explained.sent_as} is the same as was sent, byte for byte."
    count = len(explained.differences)
    return f"Decided again, the {explained.sent_as} DIFFERS from what was sent, in {count} field{'s' * (count > 1)}:"


def _print_stages(console: Console, explained: Explained) -> None:
    """The features that earlier stages forwarded, compared with what their logs give."""
    if any(stage.agrees is False for stage in explained.stages):
        console.print(
            Text("But features that earlier stages forwarded DIFFER from what their logs give:", style="bold")
        )
    for stage in explained.stages:
        source = f"features of {stage.stage}"
        if stage.records_before is not None:
            source += f", from {stage.topic}-{stage.partition} at offset {stage.offset:,}"
            source += f" ({stage.records_before:,} records before)"
        console.print(indented(f"{source}: {_was_forwarded(stage)}"))
        for difference in stage.differences:
            console.print(
                indented(f"{difference.feature}: forwarded {difference.forwarded}, now {difference.now}", by=4)
            )


def _was_forwarded(stage: StageChecked) -> str:
    if stage.agrees:
        return "as forwarded"
    what = "DIFFERS" if stage.agrees is False else "may differ" if stage.differences else "could not be checked"
    return what if stage.why is None else f"{what}, as {stage.why}"


def _print_rules(console: Console, title: str, rules: Sequence[RuleTrial], messages: dict[str, str]) -> None:
    console.print(heading(f"{title}: {len(rules) or 'none'}"))
    for rule in rules:
        notes = [rule.severity, "shadow: does not affect the outcome" if rule.shadow else ""]
        if rule.shortfall is not None:
            notes.append(f"short by {rule.shortfall * 100:.0f} %")
        console.print(indented(f"{rule.rule} ({', '.join(note for note in notes if note)}): {rule.title}"))
        if rule.rule in messages:
            console.print(indented(messages[rule.rule], by=4))
        rows = [(verdict_text.MARKS[tested.holds], tested.evidence) for tested in rule.tested]
        console.print(indented(verdict_text.comparisons(rows), by=4))


def _print_score(console: Console, explained: Explained) -> None:
    trial = explained.trial
    scored = [part for part in trial.score_parts if part.points]
    silent = [part.part for part in trial.score_parts if not part.points]
    console.print(heading(f"Score {trial.decision.score:.4f}"))
    if scored:
        console.print(indented(verdict_text.score_parts(scored)))
    if silent:
        console.print(indented(f"no points: {', '.join(silent)}"))


def _print_features(console: Console, explained: Explained) -> None:
    """The features that the rules shown and the parts with points read; the JSON has all features."""
    trial = explained.trial
    read = set(trial.read)
    console.print(heading("Features that these rules and parts read"))
    console.print(indented(verdict_text.features([value for value in trial.features if value.feature in read])))
