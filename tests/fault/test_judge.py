"""The judge of the fault suite can fail: each thing that may be wrong in the topics is seen, and named.

Method: a log of payments, labels and garbage is answered as it should be, with a changelog and cases, without a broker.
Then one record at a time is taken out, altered, doubled or made up. What the judge compares with is the engine itself,
so it proves the way to the topics and back, not the engine: that is what `tests/oracle` is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest
from aiokafka import ConsumerRecord

from benchmarks.chaos.judge import Observed, Wrong, judge, together
from benchmarks.chaos.load import load
from benchmarks.chaos.undisturbed import Answers, grouped, judged
from fraudstream.contracts import Alert, Decision
from fraudstream.contracts.headers import source_header
from fraudstream.engine.engine import Engine
from fraudstream.engine.memory import Memory
from fraudstream.engine.reading import read
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY, CheckpointRecord, encode_checkpoint

Records = list[ConsumerRecord]

RULES = {
    "features.yaml": """
version: 1
entities:
  account: {key: account_id, slots: 8, panes: {width: 2d, count: 16}}
features:
  account.payments_30d: {aggregate: count, window: 30d}
""",
    "score.yaml": "threshold: 0.9\nparts: []\n",
    "test/fifth.yaml": """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Every fifth payment
status: live
severity: high
tags: [typology.test]
when: account.payments_30d == 5
message: "{account.payments_30d}"
blind_spots: [the others]
false_positives: [all]
""",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(compile_rule_set(RULES))


@pytest.fixture(scope="module")
def sound(engine: Engine) -> Observed:
    """A partition in which nothing is wrong: some answers were sent again, as after a crash."""
    items = [item for item in load(seed=5, payments=3_000, accounts=200) if item.topic == "payments"]
    labels = [item for item in items if item.headers]
    log = [_record(offset, item.key, item.value, item.headers) for offset, item in enumerate(items)]
    expected = judged(engine, log)
    alerts = _answers(expected.alerts, again=slice(3, 9))
    versions = sorted(
        (case for of_case in grouped(alerts).values() for case in of_case), key=lambda case: case.updated_at_ms
    )
    return Observed(
        number=0,
        payments=log,
        labels=[_record(offset, item.key, item.value) for offset, item in enumerate(labels)],
        decisions=_answers(expected.decisions, again=slice(700, 900)),
        alerts=alerts,
        dead_letters=_answers(expected.dead_letters, again=slice(0, 1)),
        cases=[
            _record(offset, case.case_id.encode(), msgspec.json.encode(case)) for offset, case in enumerate(versions)
        ],
        changelog=_changelog(engine, log),
        view={case.case_id: case for case in versions},
    )


def test_a_sound_partition_is_sound_and_its_repeats_are_counted(engine: Engine, sound: Observed) -> None:
    judgement = judge(engine, "transaction", sound)
    assert judgement.findings == []
    assert judgement.sound
    assert judgement.repeats == {"decisions": 200, "alerts": 6, "dead-letters": 1}
    assert judgement.alerts > 100
    assert judgement.cases > 100
    assert judgement.labels > 10
    assert judgement.dead_letters > 1


def without(records: Sequence[ConsumerRecord], *offsets: int) -> Records:
    return [record for record in records if record.offset not in offsets]


def altered(records: Sequence[ConsumerRecord], offset: int, before: bytes, after: bytes) -> Records:
    assert before in records[offset].value
    changed = replace(records[offset], value=records[offset].value.replace(before, after))
    return [changed if record.offset == offset else record for record in records]


def added(records: Sequence[ConsumerRecord], *more: ConsumerRecord) -> Records:
    return [*records, *(replace(record, offset=len(records) + number) for number, record in enumerate(more))]


def invented_alert(alerts: Sequence[ConsumerRecord]) -> ConsumerRecord:
    alert = msgspec.structs.replace(msgspec.json.decode(alerts[0].value, type=Alert), alert_id="made-up")
    return replace(alerts[0], value=msgspec.json.encode(alert), headers=(source_header(0, 999_999),))


def counted_twice(engine: Engine, log: Sequence[ConsumerRecord]) -> Records:
    """What a worker would save that applies the newest payment twice, as two."""
    decisions = judged(engine, log).decisions
    newest = max(
        decisions, key=lambda offset: msgspec.json.decode(decisions[offset].value, type=Decision).occurred_at_ms
    )
    again = replace(log[newest], value=log[newest].value.replace(b'"event_id":"', b'"event_id":"again-'))
    return _changelog(engine, [*log, again], next_offset=len(log))


TAMPERED: dict[str, tuple[Wrong, str, Callable[[Engine, Observed], Observed]]] = {
    "a decision removed": (
        "lost",
        "at 1500 has no answer in decisions",
        lambda _, o: o._replace(
            decisions=[record for record in o.decisions if source_header(0, 1_500) not in record.headers]
        ),
    ),
    "a verdict altered": (
        "differing",
        "decisions-0 at 40 answers",
        lambda _, o: o._replace(decisions=altered(o.decisions, 40, b'"allow"', b'"block"')),
    ),
    "a decision for no payment": (
        "invented",
        "to which there is no such answer",
        lambda _, o: o._replace(
            decisions=added(o.decisions, replace(o.decisions[0], headers=(source_header(0, 999_999),)))
        ),
    ),
    "a decision that does not say what it answers": (
        "invented",
        "answers None",
        lambda _, o: o._replace(decisions=added(o.decisions, replace(o.decisions[0], headers=()))),
    ),
    "a first decision after a later one": (
        "out of order",
        "is the first answer to",
        lambda _, o: o._replace(decisions=[*o.decisions[:20], *o.decisions[21:30], o.decisions[20], *o.decisions[30:]]),
    ),
    "an invented alert": (
        "invented",
        "alerts-0 at",
        lambda _, o: o._replace(alerts=added(o.alerts, invented_alert(o.alerts))),
    ),
    "an alert removed": ("lost", "has no answer in alerts", lambda _, o: o._replace(alerts=without(o.alerts, 50))),
    "a dead letter removed": (
        "lost",
        "has no answer in dead-letters",
        lambda _, o: o._replace(dead_letters=without(o.dead_letters, 1)),
    ),
    "a label that never came into the log": (
        "lost",
        "is not in the log of payments",
        lambda _, o: o._replace(labels=added(o.labels, replace(o.labels[0], value=b"{}"))),
    ),
    "a row counted twice": (
        "counted twice",
        "is not what the log makes of it",
        lambda engine, o: o._replace(changelog=counted_twice(engine, o.payments)),
    ),
    "a row lost": (
        "counted twice",
        "is not what the log makes of it",
        lambda _, o: o._replace(changelog=[record for record in o.changelog if b"\0c0" not in record.key]),
    ),
    "a last checkpoint that never came": (
        "lost",
        "the last checkpoint stands at 1000",
        lambda engine, o: o._replace(changelog=_changelog(engine, o.payments[:1_000])),
    ),
    "a case missing": (
        "lost",
        "is missing",
        lambda _, o: o._replace(cases=without(o.cases, len(o.cases) - 1)),
    ),
    "a case altered": (
        "differing",
        "is not what the alert log makes of it",
        lambda _, o: o._replace(cases=altered(o.cases, 3, b'"severity":"high"', b'"severity":"low"')),
    ),
    "a case that no alert made": (
        "invented",
        "is not in the alert log",
        lambda _, o: o._replace(cases=altered(o.cases, 3, b'"case_id":"', b'"case_id":"x')),
    ),
    "a version of a case written twice": (
        "counted twice",
        "comes after version",
        lambda _, o: o._replace(cases=added(o.cases, o.cases[3])),
    ),
    "a view without a case": (
        "differing",
        "the view's case",
        lambda _, o: o._replace(view=dict(list((o.view or {}).items())[1:])),
    ),
    "a view with a case too many": (
        "invented",
        "the topic does not",
        lambda _, o: o._replace(view={**(o.view or {}), "x": next(iter((o.view or {}).values()))}),
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_the_judge_sees_and_names(name: str, engine: Engine, sound: Observed) -> None:
    wrong, sentence, tamper = TAMPERED[name]
    judgement = together([judge(engine, "transaction", tamper(engine, sound))])
    assert not judgement.sound
    assert judgement.wrong[wrong] >= 1
    assert any(finding.startswith(f"{wrong}: ") and sentence in finding for finding in judgement.findings), (
        judgement.findings
    )


def test_the_digest_of_alerts_forgets_repeats_and_sees_bytes(engine: Engine, sound: Observed) -> None:
    digest = judge(engine, "transaction", sound).alerts_digest
    assert judge(engine, "transaction", sound._replace(alerts=sound.alerts[:-6])).alerts_digest == digest
    tampered = sound._replace(alerts=altered(sound.alerts, 0, b'"severity":"high"', b'"severity":"low"'))
    assert judge(engine, "transaction", tampered).alerts_digest != digest


def _record(
    offset: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
) -> ConsumerRecord:
    sizes = len(key or b""), len(value or b"")
    return ConsumerRecord("topic", 0, offset, 1_790_000_000_000, 0, key, value, None, *sizes, tuple(headers))


def _answers(expected: Answers, again: slice) -> Records:
    """The answers in the order of the log, then some of them again."""
    told = [(offset, answer) for offset, answer in expected.items()]
    return [
        _record(number, answer.key, answer.value, [source_header(0, offset)])
        for number, (offset, answer) in enumerate([*told, *told[again]])
    ]


def _changelog(engine: Engine, log: Sequence[ConsumerRecord], next_offset: int | None = None) -> Records:
    """Two checkpoints, the second at the end."""
    memory = engine.memory()
    records: Records = []
    half = len(log) // 2
    for part, end in ((log[:half], half), (log[half:], next_offset or len(log))):
        read(engine, memory, part)
        records += [
            _record(len(records) + number, key, value)
            for number, (key, value) in enumerate([*memory.changes(), _checkpoint(engine, memory, end)])
        ]
    return records


def _checkpoint(engine: Engine, memory: Memory, next_offset: int) -> tuple[bytes, bytes]:
    record = CheckpointRecord(
        next_offset, "payments", "id", engine.rule_set.digest, memory.layout, "transaction", term="t"
    )
    return CHECKPOINT_KEY, encode_checkpoint(record)
