"""Replays the same payments under two rule sets, in one pass with two states, and counts what differs.

                      ┌─ old rules, their state ─► verdicts ─┐
    payments, labels ─┤                                      ├─► alerts gained, lost, unchanged; rule by rule
                      └─ new rules, their state ─► verdicts ─┘

The verdicts of each side are those of a replay of its own. Memory does not grow with the number of payments, but for
the states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fraudstream.backtest.alert_examples import ExampleSample, reason_of
from fraudstream.backtest.alert_tally import AlertTally, per_day
from fraudstream.backtest.compared_side import ComparedSide
from fraudstream.backtest.label_order import Events, LabelledPayments, in_batches, in_order
from fraudstream.backtest.replay import ListedValue
from fraudstream.backtest.rule_pairs import RulePair, rule_pairs
from fraudstream.backtest.verdicts_by_event import OUTCOMES, VerdictsByEvent
from fraudstream.contracts.control import ListEntry
from fraudstream.contracts.payment_identifiers import identifiers_of
from fraudstream.engine.arrays import BoolArray, Int8Array, Int64Array
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.scorer import POINTS_MAX, threshold
from fraudstream.evaluation.rule_difference import (
    Example,
    LabelName,
    OutcomeChange,
    RuleChange,
    RuleDifference,
    SideResult,
)

DAY_MS = 86_400_000
HOUR_MINUTES = 60
_LABELS: Mapping[int, LabelName] = {1: "fraud", 0: "genuine"}


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """What to compare. `since_ms`, `until_ms`: payments that are counted, ms since the epoch, UTC: from the first to
    before the second; earlier ones fill the state alone. None: no limit.

    `minutes_per_alert`: that an analyst needs. `examples`: how many alerts gained, and lost, to show.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    minutes_per_alert: float = 15.0
    examples: int = 5


def compare(
    old: RuleSet,
    new: RuleSet,
    batches: Iterable[LabelledPayments | Events],
    options: ComparisonOptions,
    *,
    label_delay_ms: int,
    batch_size: int,
    listed: Sequence[ListedValue] = (),
    digest_key: DigestKey = PUBLIC_KEY,
    progress: Callable[[int, int], None] = lambda payments, differing: None,
) -> RuleDifference:
    """The difference on the payments of `batches`, which are in order of time. Parameters as of `replay.replay`.

    `progress`: called after each batch with its payments, and its alerts gained and lost. Raises whatever `batches`
    raises.
    """
    comparison = RuleComparison(old, new, options, listed=listed, digest_key=digest_key)
    for batch in in_batches(in_order(batches, label_delay_ms), batch_size):
        if comparison.is_past(batch):
            break
        before = comparison.judged
        differing = comparison.add(batch)
        progress(comparison.judged - before, differing)
    return comparison.difference()


class RuleComparison:
    """Two rule sets on the same events, batch by batch. The size of batches does not affect the result.

    `listed`: list entries in force from the start; a rule set takes those of its own lists.
    """

    def __init__(
        self,
        old: RuleSet,
        new: RuleSet,
        options: ComparisonOptions,
        *,
        listed: Sequence[ListedValue] = (),
        digest_key: DigestKey = PUBLIC_KEY,
    ) -> None:
        self._options = options
        self._pairs = rule_pairs(old, new)
        looked_at = [p.new_number for p in self._pairs if p.change != "same" and p.new_number is not None]
        self._old = ComparedSide(old, (), listed, digest_key)
        self._new = ComparedSide(new, looked_at, listed, digest_key)
        self._base = new.base_currency or old.base_currency
        self._gained, self._lost, self._unchanged = (AlertTally(self._base) for _ in range(3))
        self._before, self._after = AlertTally(self._base), AlertTally(self._base)
        self._examples_gained, self._examples_lost = (ExampleSample(options.examples) for _ in range(2))
        self._outcomes = np.zeros((len(OUTCOMES), len(OUTCOMES)), np.int64)
        self._payments = self._warm_up = self._frauds = self._genuine = 0
        self._first_ms: int | None = None
        self._last_ms: int | None = None

    @property
    def judged(self) -> int:
        """Payments that the new rules have decided so far."""
        return self._new.judged

    def change_list(self, entry: ListEntry) -> None:
        """Put a value on a list, or take it off, for the payments that follow. One that is refused changes nothing."""
        self._old.change_list(entry)
        self._new.change_list(entry)

    def is_past(self, batch: Events) -> bool:
        """Whether a batch, and so all after it, is at or after the end of the period."""
        until_ms = self._options.until_ms
        return until_ms is not None and len(batch.at_ms) > 0 and int(batch.at_ms[0]) >= until_ms

    def add(self, batch: Events) -> int:
        """Judge events on both sides, in the order of the log; the number of alerts gained and lost."""
        old, new = self._old.judge(batch), self._new.judge(batch)
        occurred_at_ms = _occurred_at(old, new, len(batch.events))
        is_payment = ((old.row >= 0) | (new.row >= 0)) & ~old.repeat & ~new.repeat
        counted = is_payment & self._in_period(occurred_at_ms)
        until = self._options.until_ms
        before_end = is_payment if until is None else is_payment & (occurred_at_ms < until)
        self._warm_up += int((before_end & ~counted).sum())
        at = np.flatnonzero(counted)
        undecided_in = self._in_period(batch.at_ms)
        labels: Int8Array = batch.labels[at]
        self._old.count(batch, old, at, labels, undecided_in)
        self._new.count(batch, new, at, labels, undecided_in)
        if not len(at):
            return 0
        self._note_period(occurred_at_ms[at])
        self._payments += len(at)
        self._frauds += int((labels == 1).sum())
        self._genuine += int((labels == 0).sum())
        np.add.at(self._outcomes, (old.outcome[at], new.outcome[at]), 1)
        return self._add_alerts(batch, old, new, counted)

    def _in_period(self, at_ms: Int64Array) -> BoolArray:
        since_ms, until_ms = self._options.since_ms, self._options.until_ms
        inside = np.ones(len(at_ms), np.bool_)
        if since_ms is not None:
            inside &= at_ms >= since_ms
        if until_ms is not None:
            inside &= at_ms < until_ms
        return inside

    def _note_period(self, occurred_at_ms: Int64Array) -> None:
        first_ms, last_ms = int(occurred_at_ms.min()), int(occurred_at_ms.max())
        self._first_ms = first_ms if self._first_ms is None else min(self._first_ms, first_ms)
        self._last_ms = last_ms if self._last_ms is None else max(self._last_ms, last_ms)

    def _add_alerts(self, batch: Events, old: VerdictsByEvent, new: VerdictsByEvent, counted: BoolArray) -> int:
        gained = np.flatnonzero(counted & new.alerted & ~old.alerted)
        lost = np.flatnonzero(counted & old.alerted & ~new.alerted)
        both = np.flatnonzero(counted & old.alerted & new.alerted)
        for at, tallies in (
            (gained, (self._gained, self._after)),
            (lost, (self._lost, self._before)),
            (both, (self._unchanged, self._before, self._after)),
        ):
            for tally in tallies:
                self._tally(tally, old, new, at, batch.labels)
        self._offer(self._examples_gained, batch, old, new, gained, new)
        self._offer(self._examples_lost, batch, old, new, lost, old)
        return len(gained) + len(lost)

    def _tally(
        self, tally: AlertTally, old: VerdictsByEvent, new: VerdictsByEvent, at: Int64Array, labels: Int8Array
    ) -> None:
        """Count alerts by the verdicts of the side that converts amounts, where it has decided the payment."""
        first, second = (new, old) if new.verdicts.rule_set.base_currency == self._base else (old, new)
        has_first = first.row[at] >= 0
        tally.add(first.verdicts, first.row[at[has_first]], labels[at[has_first]])
        tally.add(second.verdicts, second.row[at[~has_first]], labels[at[~has_first]])

    def _offer(
        self,
        sample: ExampleSample,
        batch: Events,
        old: VerdictsByEvent,
        new: VerdictsByEvent,
        events: Int64Array,
        alerting: VerdictsByEvent,
    ) -> None:
        digests = alerting.verdicts.columns.event[alerting.row[events]].tolist()
        for at, digest in zip(events.tolist(), digests, strict=True):
            sample.offer(digest, partial(_example, batch, old, new, at, alerting))

    def difference(self) -> RuleDifference:
        """What was counted."""
        options = self._options
        from_ms = self._first_ms if options.since_ms is None else options.since_ms
        until_ms = self._last_ms if options.until_ms is None else options.until_ms
        days = 0.0 if from_ms is None or until_ms is None else max(until_ms - from_ms, 0) / DAY_MS
        return RuleDifference(
            payments=self._payments,
            warm_up=self._warm_up,
            frauds=self._frauds,
            genuine=self._genuine,
            from_ms=from_ms,
            until_ms=until_ms,
            days=days,
            minutes_per_alert=options.minutes_per_alert,
            base_currency=self._base,
            old=self._side(self._old, self._before, days),
            new=self._side(self._new, self._after, days),
            gained=self._gained.group(days),
            lost=self._lost.group(days),
            unchanged=self._unchanged.group(days),
            outcome_changes=self._outcome_changes(),
            rules=tuple(self._rule_change(pair) for pair in self._pairs),
            examples_gained=self._examples_gained.examples(),
            examples_lost=self._examples_lost.examples(),
        )

    def _side(self, side: ComparedSide, alerts: AlertTally, days: float) -> SideResult:
        hours = alerts.alerts * self._options.minutes_per_alert / HOUR_MINUTES
        return SideResult(
            rule_set=side.rule_set.digest,
            alerts=alerts.group(days),
            recall=alerts.frauds / self._frauds if self._frauds else None,
            score=side.counts.score(),
            score_threshold=threshold(side.rule_set.scorer),
            analyst_hours=hours,
            analyst_hours_per_day=per_day(hours, days),
            undecided=side.counts.undecided,
            us_a_payment=round(side.engine_s / max(side.judged, 1) * 1e6, 3),
        )

    def _outcome_changes(self) -> tuple[OutcomeChange, ...]:
        changes = [
            OutcomeChange(before, after, int(self._outcomes[i, j]))
            for i, before in enumerate(OUTCOMES)
            for j, after in enumerate(OUTCOMES)
            if i != j and self._outcomes[i, j]
        ]
        return tuple(sorted(changes, key=lambda change: -change.payments))

    def _rule_change(self, pair: RulePair) -> RuleChange:
        old, new = self._old.counts, self._new.counts
        return RuleChange(
            rule=pair.name,
            change=pair.change,
            changed=pair.changed,
            status_before=None if pair.old is None else pair.old.status,
            status_after=None if pair.new is None else pair.new.status,
            before=None if pair.old_number is None else old.rule(pair.old_number),
            after=None if pair.new_number is None else new.rule(pair.new_number),
            overlap=None if pair.new_number is None else new.overlap(pair.new_number),
        )


def _occurred_at(old: VerdictsByEvent, new: VerdictsByEvent, n: int) -> Int64Array:
    """Event time of each payment that one of the sides has decided, ms since the epoch; int64, shape (n,)."""
    found = np.zeros(n, np.int64)
    for judged in (old, new):
        found[judged.verdicts.positions] = judged.verdicts.occurred_at_ms
    return found


def _example(batch: Events, old: VerdictsByEvent, new: VerdictsByEvent, at: int, alerting: VerdictsByEvent) -> Example:
    verdicts, row = alerting.verdicts, alerting.row.item(at)
    payment = verdicts.payments[row]
    return Example(
        event_id=payment.event_id,
        account_id=payment.account_id,
        occurred_at_ms=verdicts.occurred_at_ms.item(row),
        amount=payment.amount,
        currency=payment.currency,
        label=_LABELS.get(batch.labels.item(at)),
        outcome_before=OUTCOMES[old.outcome.item(at)],
        outcome_after=OUTCOMES[new.outcome.item(at)],
        score_before=_score(old, at),
        score_after=_score(new, at),
        reason=reason_of(verdicts, row),
        identifiers=tuple(dict.fromkeys(identifiers_of(payment))),
    )


def _score(judged: VerdictsByEvent, at: int) -> float | None:
    row = judged.row.item(at)
    return None if row < 0 else judged.verdicts.score_points.item(row) / POINTS_MAX
