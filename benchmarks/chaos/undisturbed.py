"""What a partition's log comes to when nothing happens: the answers and the rows of one engine, in one go.

And what cases the alerts and the analysts' actions make.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

import msgspec
from aiokafka import ConsumerRecord

from benchmarks.chaos.state_rows import Rows, rows_of
from fraudstream.cases.book import Book, Held
from fraudstream.cases.lifecycle import labels_of
from fraudstream.cases.record import held_of, source_of
from fraudstream.contracts import Alert, Case, CaseAction
from fraudstream.contracts.dead_letter import dead_letter
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import controls_in, read_log
from fraudstream.engine.memory import Finding

RECORDS_AT_ONCE = 20_000

_encode = msgspec.json.Encoder().encode
_alert = msgspec.json.Decoder(Alert).decode
_action = msgspec.json.Decoder(CaseAction).decode


class Answer(NamedTuple):
    """The record that must leave for one record of the log."""

    key: bytes | None
    value: bytes


Answers = dict[int, Answer]  # by the offset of what is answered


class Undisturbed(NamedTuple):
    """`labels`: how many records of the log were labels that could be read; `controls`: how many were controls.
    `by_rule_set`: decisions by the rules that they name. `rule_set`: in force at the end."""

    decisions: Answers
    alerts: Answers
    dead_letters: Answers
    rows: Rows
    findings: list[Finding]
    watermark_ms: int
    rule_set: str
    labels: int
    controls: int
    by_rule_set: Counter[str]


def judged(engines: Sequence[Engine], log: Sequence[ConsumerRecord]) -> Undisturbed:
    """The whole log of a partition through the engines: of the rules that it begins with, then of those that it may
    switch to. `log` begins where the memory began."""
    memory, by_digest = engines[0].memory(), {engine.rule_set.digest: engine for engine in engines}
    decisions: Answers = {}
    alerts: Answers = {}
    dead_letters: Answers = {}
    by_rule_set: Counter[str] = Counter()
    labels = 0
    for first in range(0, len(log), RECORDS_AT_ONCE):
        records = log[first : first + RECORDS_AT_ONCE]
        for span in read_log(by_digest, memory, records):
            verdicts, positions, refused = span.reading[:3]
            labels += verdicts.labels
            payments = [records[position] for position in positions]
            for record, decision in zip(payments, verdicts.decisions(), strict=True):
                decisions[record.offset] = Answer(record.key, _encode(decision))
                by_rule_set[decision.rule_set] += 1
            for record, alert in zip(compress(payments, verdicts.alerted.tolist()), verdicts.alerts(), strict=True):
                alerts[record.offset] = Answer(record.key, _encode(alert))
            for rejection in refused:
                record = records[rejection.position]
                letter = dead_letter(record, rejection.reason, rejection.sentence, rejection.path)
                dead_letters[record.offset] = Answer(letter.key, _encode(letter))
    return Undisturbed(
        decisions,
        alerts,
        dead_letters,
        rows_of(memory),
        list(memory.findings),
        memory.watermark_ms,
        memory.rule_set,
        labels,
        len(controls_in(log)),
        by_rule_set,
    )


class Grouped(NamedTuple):
    """`versions`: of each case, by its id, in turn. `labels`: what closing cases tells the log, as values of records.
    `actions`: how many fitted."""

    versions: dict[str, list[Case]]
    labels: list[bytes]
    actions: int


def grouped(
    alert_log: Sequence[ConsumerRecord], action_log: Sequence[ConsumerRecord], case_log: Sequence[ConsumerRecord]
) -> Grouped:
    """What alerts and actions make, taken as the case agent took them.

    Two topics have no order between them. Which the agent chose is told by the positions in its records: what it had
    handled of each topic when a case changed. Of all it handled between two changes only the last changed anything.

        alerts    a0 a1          a2        positions 1/0, 2/2, 3/2: a0, then a1 and b0 in any order, then b1, then a2
        actions         b0 b1              (b1 made the second change: the case has no more alerts than before)
    """
    book = Book()
    alerts, actions = deque(alert_log), deque(action_log)
    found = Grouped({}, [], 0)
    for record in case_log:
        (case, _), position = held_of(record.value, record.headers)
        before = book.case(case.case_id)
        new_alerts, new_actions = _until(alerts, position.alerts), _until(actions, position.case_actions)
        if before is None or case.alert_count > before.alert_count:
            found = _alerted(book, new_alerts, _acted(book, new_actions, found))
        else:
            found = _acted(book, new_actions, _alerted(book, new_alerts, found))
    return _acted(book, actions, _alerted(book, alerts, found))


def _until(records: deque[ConsumerRecord], offset: int) -> list[ConsumerRecord]:
    taken = []
    while records and records[0].offset < offset:
        taken.append(records.popleft())
    return taken


def _alerted(book: Book, records: Iterable[ConsumerRecord], found: Grouped) -> Grouped:
    for record in records:
        held = book.alert(_alert(record.value), source_of(record.headers))
        if held is not None:
            found.versions.setdefault(held.case.case_id, []).append(held.case)
    return found


def _acted(book: Book, records: Iterable[ConsumerRecord], found: Grouped) -> Grouped:
    for record in records:
        action = _action(record.value)
        held = book.act(action)
        if isinstance(held, Held):
            found.versions[held.case.case_id].append(held.case)
            found.labels.extend(_encode(label) for label in labels_of(held.case, action))
            found = found._replace(actions=found.actions + 1)
    return found
