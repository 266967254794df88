"""One side of a comparison of rule sets: its engine, its state, and what it has counted."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fraudstream.backtest.label_order import Events
from fraudstream.backtest.replay import ListedValue
from fraudstream.backtest.rule_counts import RuleCounts
from fraudstream.backtest.verdicts_by_event import VerdictsByEvent
from fraudstream.contracts import Payment
from fraudstream.contracts.control import ListEntry
from fraudstream.engine.arrays import BoolArray, Int8Array, Int64Array
from fraudstream.engine.control import change_list
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import RuleSet


class ComparedSide:
    """One rule set with its state. `judged`: payments so far, in `engine_s` seconds of CPU time."""

    def __init__(
        self, rule_set: RuleSet, looked_at: Sequence[int], listed: Sequence[ListedValue], digest_key: DigestKey
    ) -> None:
        """`looked_at`: numbers of the rules whose overlap with others is counted. `listed`: list entries in force from
        the start; those of lists that the rule set lacks do not count."""
        self.rule_set = rule_set
        self.counts = RuleCounts(rule_set, looked_at)
        self.judged, self.engine_s = 0, 0.0
        self._engine = Engine(rule_set, digest_key=digest_key)
        self._state = self._engine.new_state()
        for entry in listed:
            if entry.list in rule_set.lists:
                self._state.lists.put(entry.list, entry.value, entry.expires_at_ms)

    def change_list(self, entry: ListEntry) -> None:
        """Put a value on a list, or take it off. One that the rule set refuses changes nothing."""
        change_list(self.rule_set, self._state, entry)

    def judge(self, batch: Events) -> VerdictsByEvent:
        """The verdicts on the events."""
        if not self.judged:  # what is compiled at the first call is no part of the cost
            self._engine.judge(batch.events[:1], self._engine.new_state())
        started_s = time.thread_time()  # CPU time: the two sides share the machine with others
        verdicts = self._engine.judge(batch.events, self._state)
        self.engine_s += time.thread_time() - started_s
        self.judged += verdicts.n
        return VerdictsByEvent(verdicts, len(batch.events))

    def count(
        self, batch: Events, judged: VerdictsByEvent, at: Int64Array, labels: Int8Array, in_period: BoolArray
    ) -> None:
        """Count the events `at`; `in_period`: of all events of the batch."""
        rejected = [each.position for each in judged.verdicts.rejected]
        undecided = sum(bool(in_period[each]) and type(batch.events[each]) is Payment for each in rejected)
        self.counts.add(judged, at, labels, undecided)
