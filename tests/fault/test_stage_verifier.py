"""The judge of a chain of stages detects what is wrong in forwarded records and in the state of each stage.

Method: the records of a sound chain of three stages with two partitions a topic are made without a broker. The log of
the middle stage is tampered with before that stage answers it: so all later records agree with that log, and only what
the account stage forwarded is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest
from aiokafka import ConsumerRecord

from benchmarks.chaos.findings import Wrong
from benchmarks.chaos.observed import Observed, StageTopics
from benchmarks.chaos.verifier import Verification, verify
from fraudstream.contracts.headers import FEATURES_HEADER, LABEL_HEADER, SOURCE_HEADER, source_header
from fraudstream.engine.engine import Engine
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY
from fraudstream.stream.checkpoints.checkpoint_record import decode_checkpoint, encode_checkpoint
from tests.fault.sound_chain import SENT_AGAIN, Logs, chain_engine, sound_chain
from tests.fault.sound_partition import Records

MIDDLE, LAST = 0, 1  # index of the stages after the first


@pytest.fixture(scope="module")
def engine() -> Engine:
    return chain_engine()


@pytest.fixture(scope="module")
def sound(engine: Engine) -> list[Observed]:
    return sound_chain(engine)


def judged(engine: Engine, observed: Sequence[Observed]) -> Verification:
    return verify([engine], "transaction", observed)


def test_a_sound_chain_is_sound_and_records_sent_again_are_counted(engine: Engine, sound: list[Observed]) -> None:
    judgement = judged(engine, sound)
    assert judgement.findings == []
    assert judgement.sound
    assert judgement.repeats["by-device"] == judgement.repeats["by-merchant"] == 4 * SENT_AGAIN
    assert judgement.payments > 1_500
    assert judgement.alerts > 100
    assert judgement.cases > 50
    assert judgement.labels > 5
    assert judgement.dead_letters > 1
    assert all(record.partition == part.number for part in sound for record in part.decisions)


def with_header(record: ConsumerRecord, name: str, value: bytes) -> ConsumerRecord:
    headers = ((held, value if held == name else before) for held, before in record.headers)
    return replace(record, headers=tuple(headers))


def header(record: ConsumerRecord, name: str) -> bytes:
    return bytes(dict(record.headers)[name])


def missing(logs: Logs) -> Logs:
    return [logs[0][:30] + logs[0][31:], *logs[1:]]


def doubled_with_other_features(logs: Logs) -> Logs:
    record = logs[0][30]
    other = with_header(record, FEATURES_HEADER, header(record, FEATURES_HEADER)[:-1] + b"\x77")
    return [[*logs[0][:31], other, *logs[0][31:]], *logs[1:]]


def with_another_value(logs: Logs) -> Logs:
    altered = replace(logs[0][30], value=logs[0][30].value.replace(b'"event_id":"', b'"event_id":"x'))
    return [[*logs[0][:30], altered, *logs[0][31:]], *logs[1:]]


def invented(logs: Logs) -> Logs:
    made_up = with_header(logs[0][-1], SOURCE_HEADER, source_header(1, 999_999)[1])
    return [[*logs[0], made_up], *logs[1:]]


def invented_of_no_partition(logs: Logs) -> Logs:
    made_up = with_header(logs[0][-1], SOURCE_HEADER, source_header(7, 0)[1])
    return [[*logs[0], made_up], *logs[1:]]


def out_of_order(logs: Logs) -> Logs:
    return [[*logs[0][:30], logs[0][31], logs[0][30], *logs[0][32:]], *logs[1:]]


def in_another_partition(logs: Logs) -> Logs:
    return [logs[0][:30] + logs[0][31:], [logs[0][30], *logs[1]]]


def label_without_its_mark(logs: Logs) -> Logs:
    at = next(at for at, record in enumerate(logs[0]) if LABEL_HEADER in record.headers)
    bare = replace(logs[0][at], headers=tuple(held for held in logs[0][at].headers if held != LABEL_HEADER))
    return [[*logs[0][:at], bare, *logs[0][at + 1 :]], *logs[1:]]


FORWARDED: dict[str, tuple[Wrong, str, Callable[[Logs], Logs]]] = {
    "an event that was not forwarded": ("lost", " has no answer in by-device", missing),
    "an event sent again with other features": ("differing", "with other headers", doubled_with_other_features),
    "an event that became another": ("differing", "by-device-0 at 30 answers 3", with_another_value),
    "an event that is in no log": ("invented", "answers 1:999999,", invented),
    "an event of an unknown partition": ("invented", "answers 7:0,", invented_of_no_partition),
    "an event that overtook another": ("out of order", "by-device-0 at 31 is the first answer to", out_of_order),
    "an event in a partition of other keys": (
        "differing",
        "its key belongs to partition 0",
        in_another_partition,
    ),
    "a label that lost its mark": ("differing", "with other headers", label_without_its_mark),
}


@pytest.mark.parametrize("name", FORWARDED)
def test_the_judge_names_what_is_wrong_in_forwarded_records(name: str, engine: Engine) -> None:
    wrong, sentence, tamper = FORWARDED[name]
    judgement = judged(engine, sound_chain(engine, "device", tamper))
    assert judgement.wrong[wrong] >= 1
    assert all(" by-device" in finding for finding in judgement.findings), judgement.findings
    assert any(finding.startswith(f"{wrong}: ") and sentence in finding for finding in judgement.findings), (
        judgement.findings
    )


def with_changelog(observed: list[Observed], stage: int, alter: Callable[[Records], Records]) -> list[Observed]:
    first = observed[0]
    later = list(first.later)
    later[stage] = StageTopics(later[stage].log, alter(list(later[stage].changelog)))
    return [first._replace(later=later), *observed[1:]]


def without(part: bytes) -> Callable[[Records], Records]:
    return lambda changelog: [record for record in changelog if part not in record.key]


def other_sources(changelog: Records) -> Records:
    last = decode_checkpoint(changelog[-1].value)
    fewer = msgspec.structs.replace(last, sources={**last.sources, "1": last.sources["1"] - 1})
    return [*changelog[:-1], replace(changelog[-1], value=encode_checkpoint(fewer))]


def one_checkpoint(changelog: Records) -> Records:
    end = next(at for at, record in enumerate(changelog) if record.key == CHECKPOINT_KEY)
    return changelog[: end + 1]


def decisions_where_the_payment_stood(observed: list[Observed]) -> list[Observed]:
    one, two = (list(part.decisions) for part in observed)
    moved = replace(one[0], partition=1, offset=len(two))
    return [observed[0]._replace(decisions=one[1:]), observed[1]._replace(decisions=[moved, *two])]


TAMPERED: dict[str, tuple[Wrong, str, Callable[[list[Observed]], list[Observed]]]] = {
    "a row of the middle stage lost": (
        "counted twice",
        "by-device-0: the row of ('device', ",
        lambda o: with_changelog(o, MIDDLE, without(b"\0c0")),
    ),
    "a middle stage that would accept again what it has seen": (
        "counted twice",
        "by-device-0: it has seen",
        lambda o: with_changelog(o, MIDDLE, other_sources),
    ),
    "a middle stage without its last checkpoint": (
        "lost",
        "by-device-0 ends with",
        lambda o: with_changelog(o, MIDDLE, one_checkpoint),
    ),
    "first verdicts lost": (
        "counted twice",
        "by-merchant-0: the row of ('ledger', ",
        lambda o: with_changelog(o, LAST, without(b"\0ledger\0")),
    ),
    "a decision in another partition than its account's": (
        "differing",
        "its key belongs to partition 0",
        decisions_where_the_payment_stood,
    ),
    "a dead letter of the first stage lost": (
        "lost",
        "has no answer in dead-letters",
        lambda o: [part._replace(dead_letters=[]) for part in o],
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_the_judge_names_what_is_wrong(name: str, engine: Engine, sound: list[Observed]) -> None:
    wrong, sentence, tamper = TAMPERED[name]
    judgement = judged(engine, tamper(sound))
    assert judgement.wrong[wrong] >= 1
    assert any(finding.startswith(f"{wrong}: ") and sentence in finding for finding in judgement.findings), (
        judgement.findings
    )
