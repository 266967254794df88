"""Verifies one stage: its output records, and the state rows and position that the next owner restores.

Each partition of the log is run through the stage's engine once, as reference. A deciding stage outputs decisions and
alerts, other stages forward events; all write dead letters of the records they refuse, and decisions on them. Outputs
of a stage that is keyed differently from its input go to the partition of the key, so outputs for one input partition
are collected from the whole topic:

    log-0 ──┬──► topic-0   outputs for one input partition, in one output partition: first ones in order of the log
    log-1 ──┴──► topic-1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from aiokafka import ConsumerRecord

from benchmarks.chaos.findings import Findings
from benchmarks.chaos.observed import StageTopics, answered_by, by_source
from benchmarks.chaos.reference_run import Answers, ReferenceRun
from benchmarks.chaos.state_rows import rows_of
from fraudstream.engine.engine import Engine
from fraudstream.stream.checkpoints.changelog import ChangelogRestorer
from fraudstream.stream.settings import CheckpointMode


class Answering(NamedTuple):
    """An output topic of a stage: the kind of its records, and all of them."""

    what: Literal["decisions", "alerts", "dead_letters", "forwarded"]
    topic: str
    records: Sequence[ConsumerRecord]


class Stage(NamedTuple):
    """A stage: name and partitions of its input log, and its output topics."""

    log: str
    partitions: Sequence[StageTopics]
    answering: Sequence[Answering]


def verify_stage(found: Findings, engines: Sequence[Engine], mode: CheckpointMode, stage: Stage) -> list[ReferenceRun]:
    """The reference run of each partition of the log. Differences are added to `found`."""
    expected = [ReferenceRun(engines, topics.log, len(stage.partitions)) for topics in stage.partitions]
    for what, topic, records in stage.answering:
        sources = by_source(records)
        for number, due in enumerate(expected):
            _answers(found, topic, f"{stage.log}-{number}", getattr(due, what), sources.pop(number, []))
        for strays in sources.values():
            _answers(found, topic, stage.log, {}, strays)
    for number, (topics, due) in enumerate(zip(stage.partitions, expected, strict=True)):
        _state(found, f"{stage.log}-{number}", engines[0], mode, topics, due)
    return expected


def _answers(found: Findings, topic: str, log: str, expected: Answers, records: Sequence[ConsumerRecord]) -> None:
    """Check that exactly the expected outputs exist, with key, value, headers and partition.

    First outputs must be in the order of the log; repeats are counted.
    """
    seen: set[int] = set()
    highest: dict[int, int] = {}
    for record in records:
        place = f"{topic}-{record.partition} at {record.offset}"
        source = answered_by(record)
        if source is None or source.offset not in expected:
            found.find("invented", f"{place} answers {source}, to which there is no such answer")
            continue
        offset, due = source.offset, expected[source.offset]
        if (record.key, record.value) != (due.key, due.value):
            found.find("differing", f"{place} answers {offset} with {record.value!r}, expected {due.value!r}")
        elif tuple(record.headers) != due.headers:
            other = f"with other headers, {record.headers}, expected {due.headers}"
            found.find("differing", f"{place} answers {offset} {other}")
        elif record.partition != due.partition:
            found.find("differing", f"{place} answers {offset}, its key belongs to partition {due.partition}")
        if offset in seen:
            found.repeats[topic] += 1
            continue
        seen.add(offset)
        before = highest.get(record.partition, -1)
        if offset < before:
            found.find("out of order", f"{place} is the first answer to {offset}, after that to {before}")
        highest[record.partition] = max(before, offset)
    for offset in expected.keys() - seen:
        found.find("lost", f"{log} at {offset} has no answer in {topic}")


def _state(
    found: Findings, place: str, engine: Engine, mode: CheckpointMode, topics: StageTopics, expected: ReferenceRun
) -> None:
    """Check that the state restored from the changelog equals that of the reference run at the end of the log.

    Compares rows, rule set, position and the positions in the logs of the previous stage.
    """
    state = engine.new_state()
    replay = ChangelogRestorer(state, mode)
    replay.feed(topics.changelog)
    if not topics.log:
        return
    if replay.checkpoint is None or replay.checkpoint.next_offset <= topics.log[-1].offset:
        at = None if replay.checkpoint is None else replay.checkpoint.next_offset
        found.find("lost", f"{place} ends with {topics.log[-1].offset}, the last checkpoint stands at {at}")
        return
    rows = rows_of(state)
    for key in expected.rows.keys() | rows.keys():
        if expected.rows.get(key) != rows.get(key):
            found.find("counted twice", f"{place}: the row of {key} is not what the log makes of it")
    if (list(state.findings), state.watermark_ms) != (expected.findings, expected.watermark_ms):
        found.find("counted twice", f"{place}: findings or watermark are not what the log makes of them")
    if (sources := replay.checkpoint.sources) != expected.sources:
        found.find(
            "counted twice", f"{place}: it has seen {sources} of the stage before, by the log {expected.sources}"
        )
    if (in_force := replay.checkpoint.rule_set) != expected.rule_set:
        found.find("differing", f"{place}: the rules {in_force} are in force, by the log {expected.rule_set} are")
