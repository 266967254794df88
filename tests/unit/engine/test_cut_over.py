"""A log that is cut over from one state version to the next: every payment is decided by one of them, whatever the
cut."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Payment
from fraudstream.contracts.control import RuleSwitch
from fraudstream.contracts.headers import BACKFILLED_HEADER, CONTROL_HEADER, FEATURES_HEADER, source_header
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import JudgedSpan, controls_in, forward_log, read_log, rule_sets_named
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.rule_set import compile_rule_set

FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
OLD = compile_rule_set({"features.yaml": FEATURES})
TUNED = compile_rule_set({"features.yaml": FEATURES, "score.yaml": "threshold: 0.8\nparts: []\n"})
LARGE = '  account.large_1h: {aggregate: count, window: 1h, where: kind == "transfer"}\n'
NEW = compile_rule_set({"features.yaml": FEATURES + LARGE})
ENGINES = {rule_set.digest: Engine(rule_set) for rule_set in (OLD, TUNED, NEW)}

Records = Sequence["ConsumerRecord[bytes, bytes]"]


def record(offset: int, value: bytes, key: bytes | None, *headers: tuple[str, bytes]) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("payments", 0, offset, 1_000, 0, key, value, None, len(key or b""), len(value), headers)


def payment(offset: int) -> ConsumerRecord[bytes, bytes]:
    return record(offset, msgspec.json.encode(Payment(f"e{offset}", 1_000, "a", "1.00", "EUR", "debit")), b"a")


def switch(offset: int, digest: str, state_version: int | None = None) -> ConsumerRecord[bytes, bytes]:
    value = msgspec.json.encode(RuleSwitch(digest, "r.holm", 0, state_version=state_version))
    return record(offset, value, None, CONTROL_HEADER)


LOG = [
    payment(0),
    switch(1, TUNED.digest),  # another threshold: version 1 goes on with it
    payment(2),
    record(3, b"no control", None, CONTROL_HEADER),
    switch(4, NEW.digest, state_version=2),
    payment(5),
    payment(6),
]


def old_state() -> PartitionState:
    return ENGINES[OLD.digest].new_state()


def backfilling() -> PartitionState:
    state = ENGINES[NEW.digest].new_state()
    state.state_version, state.backfilling = 2, True
    return state


def decided(state: PartitionState, log: Records, piece: int) -> tuple[list[tuple[str, str]], list[int], int]:
    """Event and rule set of each decision, where dead letters arose, and how many records were read."""
    decisions, refused, read = [], [], 0
    while read < len(log) and not state.cut_over:
        records = log[read : read + piece]
        spans = read_log(ENGINES, state, records)
        for span in spans:
            if span.decided:
                decisions += [(d.event_id, d.rule_set) for d in span.result.verdicts.decisions()]
                refused += [records[rejection.position].offset for rejection in span.result.refused]
        read += sum(span.records for span in spans)
    return decisions, refused, read


@pytest.mark.parametrize("piece", [1, 2, 3, 4, 5, 100])
def test_each_payment_is_decided_by_one_version(piece: int) -> None:
    before, after = old_state(), backfilling()
    assert decided(before, LOG, piece) == ([("e0", OLD.digest), ("e2", TUNED.digest)], [3], 5)
    assert decided(after, LOG, piece) == ([("e5", NEW.digest), ("e6", NEW.digest)], [], 7)
    assert (before.cut_over_to, after.backfilling) == (2, False)


def test_a_backfilled_state_is_that_of_a_replay_with_the_new_catalogue() -> None:
    built, replayed = backfilling(), ENGINES[NEW.digest].new_state()
    of_built = [span for span in read_log(ENGINES, built, LOG) if span.decided]
    payments = [record for record in LOG if not controls_in([record])]
    of_replay = read_log(ENGINES, replayed, payments)
    assert answers_of(of_built) == answers_of(of_replay)[-2:]
    assert built.changes() == replayed.changes()


def test_a_switch_to_rules_that_are_not_to_be_had_hands_over_all_the_same() -> None:
    log = [payment(0), switch(1, "0123456789abcdef", state_version=2), payment(2)]
    assert decided(old_state(), log, 100) == ([("e0", OLD.digest)], [], 2)
    assert decided(backfilling(), log, 100) == ([("e2", NEW.digest)], [1], 3)


def test_a_later_switch_to_an_older_version_is_refused() -> None:
    log = [switch(0, NEW.digest, 2), switch(1, OLD.digest, 1), payment(2)]
    assert decided(backfilling(), log, 100) == ([("e2", NEW.digest)], [1], 3)


def test_only_rule_sets_that_a_state_may_switch_to_are_loaded() -> None:
    controls = controls_in(LOG)
    assert rule_sets_named(old_state(), LOG, controls) == {TUNED.digest}
    assert rule_sets_named(backfilling(), LOG, controls) == {NEW.digest}


def answers_of(spans: Sequence[JudgedSpan]) -> list[bytes]:
    return [msgspec.json.encode(d) for span in spans for d in span.result.verdicts.decisions()]


# Several stages

DEVICE = "  device: {key: device_id, slots: 16}\nfeatures:\n  device.payments_1h: {aggregate: count, window: 1h}\n"
CHAIN = compile_rule_set({"features.yaml": FEATURES.replace("features:\n", DEVICE)})
ACCOUNT, DEVICES = Engine(CHAIN, "account"), Engine(CHAIN, "device")


def chained(state_version: int) -> PartitionState:
    state = ACCOUNT.new_state()
    state.state_version, state.backfilling = state_version, state_version > 1
    return state


def forwarded(state: PartitionState, log: Records, piece: int) -> tuple[list[tuple[int, bool]], Records]:
    """Of each forwarded payment the offset and whether its verdict is published; the records for the next stage."""
    found, sent, read = list[tuple[int, bool]](), list["ConsumerRecord[bytes, bytes]"](), 0
    while read < len(log) and not state.cut_over:
        records = log[read : read + piece]
        spans = forward_log(ACCOUNT, state, records)
        for span in spans:
            features = span.result.forwarded.features.present()
            for position, packed in zip(span.result.positions.tolist(), features, strict=True):
                payment = records[position]
                found.append((payment.offset, span.decided))
                headers = [source_header(0, payment.offset), (FEATURES_HEADER, packed)]
                headers += [] if span.decided else [BACKFILLED_HEADER]
                sent.append(record(len(sent), payment.value or b"", b"d", *headers))
        read += sum(span.records for span in spans)
    return found, sent


@pytest.mark.parametrize("piece", [1, 2, 3, 4, 5, 100])
def test_the_first_of_several_stages_hands_on_each_payment_for_one_version_to_decide(piece: int) -> None:
    before, after = chained(1), chained(2)
    assert forwarded(before, LOG, piece)[0] == [(0, True), (2, True)]
    assert forwarded(after, LOG, piece)[0] == [(0, False), (2, False), (5, True), (6, True)]
    assert (before.cut_over_to, after.backfilling) == (2, False)


def test_other_controls_in_the_first_log_are_of_a_time_when_it_was_the_only_one() -> None:
    log = [payment(0), switch(1, NEW.digest), switch(2, NEW.digest, state_version=1), payment(3)]
    assert forwarded(chained(1), log, 100)[0] == [(0, True), (3, True)]
    assert forwarded(chained(2), log, 100)[0] == [(0, False), (3, False)]


@pytest.mark.parametrize("piece", [1, 2, 3, 4, 5, 100])
def test_the_last_of_several_stages_answers_what_is_not_only_learnt_and_remembers_all(piece: int) -> None:
    _, sent = forwarded(chained(2), LOG, 100)
    log = [sent[0], record(99, b"no control", None, CONTROL_HEADER), *sent[1:]]
    state, plain = DEVICES.new_state(), DEVICES.new_state()
    state.state_version = 2
    engines, found, refused = {CHAIN.digest: DEVICES}, list[str](), list[int]()
    for first in range(0, len(log), piece):
        records = log[first : first + piece]
        spans = read_log(engines, state, records)
        assert sum(span.records for span in spans) == len(records)
        for span in spans:
            if span.decided:
                found += [decision.event_id for decision in span.result.verdicts.decisions()]
                refused += [records[rejection.position].offset for rejection in span.result.refused]
    assert found == ["e5", "e6"]
    assert refused == [99], "it lies between backfilled payments, and is reported all the same"
    read_log(engines, plain, sent)
    assert state.changes() == plain.changes()
