"""The records of one partition and its outputs with nothing wrong in them, made without a broker.

The judge of the fault suite must find nothing in them; its tests then tamper with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiokafka import ConsumerRecord

from benchmarks.chaos.load import Item, load
from benchmarks.chaos.observed import Observed
from benchmarks.chaos.reference_run import Answers, ReferenceRun
from fraudstream.cases.held import Held
from fraudstream.cases.labels import labels_of
from fraudstream.cases.record import Position, case_record, source_of
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Alert, Case, CaseAction, ListEntry, RuleSwitch
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.engine.apply import apply_and_forward
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import read_log
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord, encode_checkpoint

Records = list[ConsumerRecord]
Engines = tuple[Engine, Engine]  # of the rules at the beginning of the log, and of those that it switches to

RULES = {
    "features.yaml": """
version: 1
entities:
  account: {key: account_id, slots: 8, panes: {width: 2d, count: 16}}
features:
  account.payments_30d: {aggregate: count, window: 30d}
""",
    "lists.yaml": "lists:\n  watched: {of: mcc, kind: watch, description: trades of late}\n",
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
    "test/listed.yaml": """
id: 4a7c4f0e-8d0b-4f0c-9d53-7a4f1f6f2b19
title: A trade on a list
status: live
severity: low
tags: [typology.test]
when: mcc in lists.watched
message: "{mcc}"
blind_spots: [the others]
false_positives: [all]
""",
}
OTHER_RULES = RULES | {"test/fifth.yaml": RULES["test/fifth.yaml"].replace("== 5", "== 6")}
LISTED = ("5411", "5541", "5812")
SWITCHED_AT, SWITCHED_BACK_AT, LISTED_AT, REMOVED_AT = 800, 2_200, 600, 2_600  # offsets
CLOSED_OF = 10  # the case of one alert in ten is closed


def both_engines() -> Engines:
    """The engines of `RULES` and `OTHER_RULES`."""
    return Engine(compile_rule_set(RULES)), Engine(compile_rule_set(OTHER_RULES))


def sound_partition(engines: Engines) -> Observed:
    """A partition in which nothing is wrong, with some answers sent again, as after a crash.

    Its rules are switched and switched back; values are added to a list and one is removed; cases are closed, and the
    log ends with their labels.
    """
    items = [item for item in load(seed=5, payments=3_000, accounts=200) if item.topic == "payments"]
    labels = [item for item in items if item.headers]
    own, other = (engine.rule_set.digest for engine in engines)
    for offset, control in (
        *((LISTED_AT, ListEntry("watched", mcc, "chaos", 0)) for mcc in LISTED),
        (SWITCHED_AT, RuleSwitch(other, "chaos", 0)),
        (SWITCHED_BACK_AT, RuleSwitch(own, "chaos", 0)),
        (REMOVED_AT, ListEntry("watched", LISTED[0], "chaos", 0, removed=True)),
    ):
        items.insert(offset, Item("payments", None, msgspec.json.encode(control), (CONTROL_HEADER,)))
    log = [record_of(offset, item.key, item.value, item.headers) for offset, item in enumerate(items)]
    alerts = answers_of(ReferenceRun(engines, log).alerts, again=slice(3, 9))
    actions, cases, closing_labels = worked(alerts)
    log += [record_of(len(log) + number, *label, (LABEL_HEADER,)) for number, label in enumerate(closing_labels)]
    expected = ReferenceRun(engines, log)
    return Observed(
        number=0,
        payments=log,
        labels=[record_of(offset, item.key, item.value) for offset, item in enumerate(labels)],
        decisions=answers_of(expected.decisions, again=slice(700, 900)),
        alerts=alerts,
        dead_letters=answers_of(expected.dead_letters, again=slice(0, 1)),
        case_actions=actions,
        cases=cases,
        changelog=changelog_of(engines, log),
        view={case.case_id: case for case in (msgspec.json.decode(record.value, type=Case) for record in cases)},
    )


def record_of(
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]] = (),
    partition: int = 0,
    topic: str = "topic",
) -> ConsumerRecord:
    """A record as a consumer returns it."""
    sizes = len(key or b""), len(value or b"")
    return ConsumerRecord(topic, partition, offset, 1_790_000_000_000, 0, key, value, None, *sizes, tuple(headers))


def answers_of(expected: Answers, again: slice) -> Records:
    """Records of the answers in the order of the log, then of those in the slice `again` once more."""
    answers = list(expected.values())
    return [
        record_of(number, answer.key, answer.value, answer.headers)
        for number, answer in enumerate([*answers, *answers[again]])
    ]


def worked(
    alerts: Sequence[ConsumerRecord], closed_of: int | None = CLOSED_OF
) -> tuple[Records, Records, list[tuple[bytes, bytes]]]:
    """Actions, case records and labels (key, value) of these alerts; one case in `closed_of` is closed at once."""
    store = CaseStore()
    actions: Records = []
    cases: Records = []
    labels: list[tuple[bytes, bytes]] = []

    def emit(held: Held, alert: ConsumerRecord) -> None:
        record = case_record("cases", 0, held, Position(alert.offset + 1, len(actions)))
        cases.append(record_of(len(cases), record.key, record.value, record.headers))

    for alert in alerts:
        held = store.alert(msgspec.json.decode(alert.value, type=Alert), source_of(alert.headers))
        if held is None:
            continue
        emit(held, alert)
        if closed_of is not None and alert.offset % closed_of == 0:
            case, key = held.case, held.case.account_id.encode()
            action = CaseAction(
                f"a{alert.offset}",
                case.case_id,
                case.account_id,
                "close",
                "chaos",
                case.updated_at_ms,
                "false_positive",
            )
            actions.append(record_of(len(actions), key, msgspec.json.encode(action)))
            closed = store.act(action)
            assert isinstance(closed, Held)
            emit(closed, alert)
            labels += [(key, msgspec.json.encode(label)) for label in labels_of(closed.case, action)]
    return actions, cases, labels


def control_of(record: ConsumerRecord) -> ListEntry | RuleSwitch | None:
    """The control that a record of the log holds; None if it holds none."""
    if CONTROL_HEADER not in record.headers:
        return None
    return msgspec.json.decode(record.value, type=ListEntry | RuleSwitch)


def changelog_of(engines: Sequence[Engine], log: Sequence[ConsumerRecord], next_offset: int | None = None) -> Records:
    """A changelog of two checkpoints, the second at the end of the log, or at `next_offset`.

    `engines`: of the stage that reads the log.
    """
    state, by_digest = engines[0].new_state(), {engine.rule_set.digest: engine for engine in engines}
    records: Records = []
    half = len(log) // 2
    for part, end in ((log[:half], half), (log[half:], next_offset or len(log))):
        if engines[0].decides:
            read_log(by_digest, state, part)
        else:
            apply_and_forward(engines[0], state, part)
        records += [
            record_of(len(records) + number, key, value)
            for number, (key, value) in enumerate([*state.changes(), _checkpoint(state, end)])
        ]
    return records


def _checkpoint(state: PartitionState, next_offset: int) -> tuple[bytes, bytes]:
    sources = dict(state.sources)
    record = CheckpointRecord(
        next_offset,
        "payments",
        "id",
        state.rule_set,
        state.layout,
        "transaction",
        epoch="t",
        sources=sources,
        key_fingerprint=state.key_fingerprint,
    )
    return CHECKPOINT_KEY, encode_checkpoint(record)
