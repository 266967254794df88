"""The records of a chain of three stages with nothing wrong in them, made without a broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.chaos.load import load
from benchmarks.chaos.observed import Observed, StageTopics
from benchmarks.chaos.reference_run import Answer, ReferenceRun
from fraudstream.engine.engine import Engine
from fraudstream.engine.partitioners import partitions_for
from fraudstream.engine.rule_set import compile_rule_set
from tests.fault.sound_partition import Records, changelog_of, record_of, worked

Logs = list[Records]  # of a stage, by partition
Tamper = Callable[[Logs], Logs]

PARTITIONS = 2
SENT_AGAIN = 40  # the last records from each partition to each other one
RULES = {
    "features.yaml": """
version: 1
entities:
  account: {key: account_id, slots: 8}
  device: {key: device_id, slots: 4}
  merchant: {key: merchant_id, slots: 4}
features:
  account.payments_30d: {aggregate: count, window: 30d}
  device.accounts_24h: {aggregate: distinct, of: account_id, window: 24h}
  merchant.payments_24h: {aggregate: count, window: 24h}
""",
    "score.yaml": "threshold: 0.9\nparts: []\n",
    "test/busy.yaml": """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Every second payment
status: live
severity: high
tags: [typology.test]
when: account.payments_30d == 2 or account.payments_30d == 4 or merchant.payments_24h == 3
message: "{account.payments_30d}"
blind_spots: [the others]
false_positives: [all]
""",
}


def chain_engine() -> Engine:
    """The engine of all three stages."""
    return Engine(compile_rule_set(RULES))


def sound_chain(engine: Engine, stage: str = "account", tamper: Tamper = list) -> list[Observed]:
    """All partitions of a run in which nothing is wrong except what `tamper` does to the log of `stage`.

    The stages from there on answer the tampered log. What each stage sent last it sent again, as after a crash.
    """
    logs = _published()
    topics: list[list[StageTopics]] = [[] for _ in logs]
    letters: list[Answer] = []
    answered: list[list[Answer]] = []
    decided: list[ReferenceRun] = []
    for name in engine.stages:
        logs = _numbered(tamper(logs) if name == stage else logs, name)
        engines = [engine.of_stage(name)]
        decided = [ReferenceRun(engines, log, PARTITIONS) for log in logs]
        for stage_topics, log in zip(topics, logs, strict=True):
            stage_topics.append(StageTopics(log, changelog_of(engines, log)))
        letters += _all(due.dead_letters for due in decided)
        answered += [list(due.decisions.values()) for due in decided]
        logs = _by_partition([list(due.forwarded.values()) for due in decided])
    decisions = _by_partition(answered)
    alerts = _by_partition([list(due.alerts.values()) for due in decided])
    return [
        Observed(
            number=number,
            payments=its[0].log,
            labels=[],
            decisions=decisions[number],
            alerts=alerts[number],
            dead_letters=_by_partition([letters])[number],
            case_actions=[],
            cases=worked(alerts[number], closed_of=None)[1],
            changelog=its[0].changelog,
            later=its[1:],
        )
        for number, its in enumerate(topics)
    ]


def _published() -> Logs:
    items = [item for item in load(seed=6, payments=1_500, accounts=100) if item.topic == "payments"]
    partitions = partitions_for([item.key for item in items], PARTITIONS).tolist()
    return [
        [
            record_of(0, item.key, item.value, item.headers)
            for item, partition in zip(items, partitions, strict=True)
            if partition == number
        ]
        for number in range(PARTITIONS)
    ]


def _all(answers: Iterable[dict[int, Answer]]) -> list[Answer]:
    return [answer for of_log in answers for answer in of_log.values()]


def _by_partition(by_source: Sequence[Sequence[Answer]]) -> Logs:
    """The log of each partition: its answers in their order, and the last of them again."""
    logs: Logs = [[] for _ in range(PARTITIONS)]
    for answers in by_source:
        for number, log in enumerate(logs):
            here = [answer for answer in answers if answer.partition == number]
            log += [record_of(0, due.key, due.value, due.headers) for due in [*here, *here[-SENT_AGAIN:]]]
    return _numbered(logs, "topic")


def _numbered(logs: Logs, topic: str) -> Logs:
    return [
        [record_of(at, record.key, record.value, record.headers, number, topic) for at, record in enumerate(log)]
        for number, log in enumerate(logs)
    ]
