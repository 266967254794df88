"""What a partition's log comes to when nothing happens: the answers and the rows of one engine, in one go.

And what cases a log of alerts makes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

import msgspec
from aiokafka import ConsumerRecord

from benchmarks.chaos.state_rows import Rows, rows_of
from fraudstream.cases.book import Book
from fraudstream.cases.record import source_of
from fraudstream.contracts import Alert, Case
from fraudstream.contracts.dead_letter import dead_letter
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import controls_in, read_log
from fraudstream.engine.memory import Finding

RECORDS_AT_ONCE = 20_000

_encode = msgspec.json.Encoder().encode
_alert = msgspec.json.Decoder(Alert).decode


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


def grouped(alert_log: Sequence[ConsumerRecord]) -> dict[str, list[Case]]:
    """The cases that an alert log makes: by id, each version in turn."""
    book = Book()
    versions: dict[str, list[Case]] = {}
    for record in alert_log:
        held = book.alert(_alert(record.value), source_of(record.headers))
        if held is not None:
            versions.setdefault(held.case.case_id, []).append(held.case)
    return versions
