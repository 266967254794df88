"""The expected outputs and state of a partition of a stage's log: one engine applied to it once, without faults.

Also the cases that result from alerts and analysts' actions.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

import msgspec
from aiokafka import ConsumerRecord

from benchmarks.chaos.state_rows import rows_of
from fraudstream.cases.held import Held
from fraudstream.cases.labels import labels_of
from fraudstream.cases.record import held_of, source_of
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Alert, Case, CaseAction
from fraudstream.contracts.dead_letter import dead_letter
from fraudstream.contracts.headers import (
    FEATURES_HEADER,
    LABEL_HEADER,
    origin_header,
    source_header,
)
from fraudstream.engine.alert_writer import alert_values
from fraudstream.engine.apply import ApplyResult, ForwardResult, apply_and_forward
from fraudstream.engine.columns import Rejection
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import controls_in, read_log, without_controls
from fraudstream.engine.partitioners import partitions_for
from fraudstream.stream.unjudged import expects_answer, unjudged, unjudged_headers

RECORDS_AT_ONCE = 20_000

_encode = msgspec.json.Encoder().encode
_alert = msgspec.json.Decoder(Alert).decode
_action = msgspec.json.Decoder(CaseAction).decode


class Answer(NamedTuple):
    """The expected output record for one input record, and its partition."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    partition: int


Answers = dict[int, Answer]  # by the offset of the input record


class ReferenceRun:
    """Expected results of a partition's log from its start.

    `engines`: of the stage, for the initial rule set, then for those it may switch to. `partitions`: number per topic.

    `decisions`: those on records that the stage refused included; `payments`: how many it decided.
    `forwarded`: events for the next stage. `sources`: highest offset seen of each partition of the previous stage.
    `labels`: number of valid labels; `controls`: number of controls. `by_rule_set`: decisions by rule set digest.
    `rule_set`: digest in force at the end.
    """

    def __init__(self, engines: Sequence[Engine], log: Sequence[ConsumerRecord], partitions: int = 1) -> None:
        self.decisions: Answers = {}
        self.alerts: Answers = {}
        self.forwarded: Answers = {}
        self.dead_letters: Answers = {}
        self.by_rule_set: Counter[str] = Counter()
        self.payments = 0
        self.labels = 0
        self.controls = len(controls_in(log))
        self._aligned, self._decides, self._partitions = engines[0].is_first, engines[0].decides, partitions
        state, by_digest = engines[0].new_state(), {engine.rule_set.digest: engine for engine in engines}
        for first in range(0, len(log), RECORDS_AT_ONCE):
            records = log[first : first + RECORDS_AT_ONCE]
            if engines[0].decides:
                for span in read_log(by_digest, state, records):
                    self._decide(records, span.result)
            else:
                records = without_controls(records)
                self._forward(records, apply_and_forward(engines[0], state, records))
        self.decisions = dict(sorted(self.decisions.items()))
        self.rows = rows_of(state)
        self.findings = list(state.findings)
        self.watermark_ms = state.watermark_ms
        self.sources = dict(state.sources)
        self.rule_set = state.rule_set

    def _decide(self, records: Sequence[ConsumerRecord], result: ApplyResult) -> None:
        verdicts = result.verdicts
        self.labels += verdicts.labels
        self.payments += verdicts.n
        payments = [records[position] for position in result.positions]
        accounts = [payment.account_id.encode() for payment in verdicts.payments]
        decisions = verdicts.decisions()
        self.by_rule_set.update(decision.rule_set for decision in decisions)
        self._answer(self.decisions, payments, accounts, [_encode(decision) for decision in decisions])
        origin = [origin_header(records[0].partition)] if self._aligned else []
        alerted = verdicts.alerted.tolist()
        values = alert_values(verdicts)
        self._answer(self.alerts, list(compress(payments, alerted)), list(compress(accounts, alerted)), values, origin)
        self._refuse(records, result.refused)

    def _forward(self, records: Sequence[ConsumerRecord], result: ForwardResult) -> None:
        forwarded = result.forwarded
        self.labels += forwarded.labels
        events = [records[position] for position in result.positions]
        keys = forwarded.keys.present()
        for event, key, packed, place in zip(
            events, keys, forwarded.features.present(), self._places(keys), strict=True
        ):
            label = [LABEL_HEADER] if LABEL_HEADER in event.headers else []
            headers = (_source(event), (FEATURES_HEADER, packed), *label)
            self.forwarded[event.offset] = Answer(key, event.value, headers, place)
        self._refuse(records, result.refused)

    def _refuse(self, records: Sequence[ConsumerRecord], refused: Sequence[Rejection]) -> None:
        at = [records[rejection.position] for rejection in refused]
        letters = [
            dead_letter(record, record.topic, record.partition, r.reason, r.sentence, r.path)
            for record, r in zip(at, refused, strict=True)
        ]
        self._answer(self.dead_letters, at, [letter.key for letter in letters], [_encode(letter) for letter in letters])
        expecting = [(record, r) for record, r in zip(at, refused, strict=True) if expects_answer(record)]
        if expecting:
            answered = [record for record, _ in expecting]
            keys, values = zip(*(unjudged(record, r, self._aligned) for record, r in expecting), strict=True)
            self._answer(self.decisions, answered, keys, values)
            for record in answered:
                headers = unjudged_headers(record.topic, record.partition, record.offset, self._decides)
                self.decisions[record.offset] = self.decisions[record.offset]._replace(headers=tuple(headers))

    def _answer(
        self,
        answers: Answers,
        records: Sequence[ConsumerRecord],
        keys: Sequence[bytes | None],
        values: Sequence[bytes],
        further: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Add outputs. The first stage writes to the same partition number, others to the partition of the key."""
        places = [record.partition for record in records] if self._aligned else self._places(keys)
        for record, key, value, place in zip(records, keys, values, places, strict=True):
            answers[record.offset] = Answer(key, value, (_source(record), *further), place)

    def _places(self, keys: Sequence[bytes | None]) -> list[int]:
        return partitions_for(keys, self._partitions).tolist() if keys else []


def _source(record: ConsumerRecord) -> tuple[str, bytes]:
    return source_header(record.partition, record.offset)


class Grouped(NamedTuple):
    """`versions`: of each case in order, by case id. `labels`: record values of the labels of closed cases.

    `actions`: number of valid actions.
    """

    versions: dict[str, list[Case]]
    labels: list[bytes]
    actions: int


def grouped(
    alert_log: Sequence[ConsumerRecord], action_log: Sequence[ConsumerRecord], case_log: Sequence[ConsumerRecord]
) -> Grouped:
    """The cases that result from alerts and actions, in the order in which the case processor read them.

    The two topics have no mutual order. The positions in the case records give the order used: how far each topic was
    processed when a case changed. Of the records between two changes only the last changed a case.

        alerts    a0 a1          a2        positions 1/0, 2/2, 3/2: a0, then a1 and b0 in any order, then b1, then a2
        actions         b0 b1              (b1 made the second change: the case has no more alerts than before)
    """
    store = CaseStore()
    alerts, actions = deque(alert_log), deque(action_log)
    found = Grouped({}, [], 0)
    for record in case_log:
        (case, _), position = held_of(record.value, record.headers)
        before = store.case(case.case_id)
        new_alerts, new_actions = _until(alerts, position.alerts), _until(actions, position.case_actions)
        if before is None or case.alert_count > before.alert_count:
            found = _alerted(store, new_alerts, _acted(store, new_actions, found))
        else:
            found = _acted(store, new_actions, _alerted(store, new_alerts, found))
    return _acted(store, actions, _alerted(store, alerts, found))


def _until(records: deque[ConsumerRecord], offset: int) -> list[ConsumerRecord]:
    taken = []
    while records and records[0].offset < offset:
        taken.append(records.popleft())
    return taken


def _alerted(store: CaseStore, records: Iterable[ConsumerRecord], found: Grouped) -> Grouped:
    for record in records:
        held = store.alert(_alert(record.value), source_of(record.headers))
        if held is not None:
            found.versions.setdefault(held.case.case_id, []).append(held.case)
    return found


def _acted(store: CaseStore, records: Iterable[ConsumerRecord], found: Grouped) -> Grouped:
    for record in records:
        action = _action(record.value)
        held = store.act(action)
        if isinstance(held, Held):
            found.versions[held.case.case_id].append(held.case)
            found.labels.extend(_encode(label) for label in labels_of(held.case, action))
            found = found._replace(actions=found.actions + 1)
    return found
