"""What a partition's log comes to when nothing happens: the answers and the rows of one engine, in one go.

And what cases a log of alerts makes.
"""

from __future__ import annotations

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
from fraudstream.engine.log import read_log
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
    """`labels`: how many records of the log were labels that could be read."""

    decisions: Answers
    alerts: Answers
    dead_letters: Answers
    rows: Rows
    findings: list[Finding]
    watermark_ms: int
    labels: int


def judged(engine: Engine, log: Sequence[ConsumerRecord]) -> Undisturbed:
    """The whole log of a partition through the engine. `log` begins where the memory began."""
    memory, engines = engine.memory(), {engine.rule_set.digest: engine}
    decisions: Answers = {}
    alerts: Answers = {}
    dead_letters: Answers = {}
    labels = 0
    for first in range(0, len(log), RECORDS_AT_ONCE):
        records = log[first : first + RECORDS_AT_ONCE]
        for span in read_log(engines, memory, records):
            verdicts, positions, refused = span.reading[:3]
            labels += verdicts.labels
            payments = [records[position] for position in positions]
            for record, decision in zip(payments, verdicts.decisions(), strict=True):
                decisions[record.offset] = Answer(record.key, _encode(decision))
            for record, alert in zip(compress(payments, verdicts.alerted.tolist()), verdicts.alerts(), strict=True):
                alerts[record.offset] = Answer(record.key, _encode(alert))
            for rejection in refused:
                record = records[rejection.position]
                letter = dead_letter(record, rejection.reason, rejection.sentence, rejection.path)
                dead_letters[record.offset] = Answer(letter.key, _encode(letter))
    return Undisturbed(
        decisions, alerts, dead_letters, rows_of(memory), list(memory.findings), memory.watermark_ms, labels
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
