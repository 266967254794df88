"""A log that is handed over from one state version to the next: every payment is decided by one of them, whatever the
cut."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Payment
from fraudstream.contracts.control import RuleSwitch
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import Span, controls_in, read_log, rule_sets_named
from fraudstream.engine.memory import Memory
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


def old_memory() -> Memory:
    return ENGINES[OLD.digest].memory()


def building() -> Memory:
    memory = ENGINES[NEW.digest].memory()
    memory.state_version, memory.building = 2, True
    return memory


def decided(memory: Memory, log: Records, piece: int) -> tuple[list[tuple[str, str]], list[int], int]:
    """Event and rule set of each decision, where dead letters arose, and how many records were read."""
    decisions, refused, read = [], [], 0
    while read < len(log) and not memory.handed_over:
        records = log[read : read + piece]
        spans = read_log(ENGINES, memory, records)
        for span in spans:
            if span.decided:
                decisions += [(d.event_id, d.rule_set) for d in span.reading.verdicts.decisions()]
                refused += [records[rejection.position].offset for rejection in span.reading.refused]
        read += sum(span.records for span in spans)
    return decisions, refused, read


@pytest.mark.parametrize("piece", [1, 2, 3, 4, 5, 100])
def test_each_payment_is_decided_by_one_version(piece: int) -> None:
    before, after = old_memory(), building()
    assert decided(before, LOG, piece) == ([("e0", OLD.digest), ("e2", TUNED.digest)], [3], 5)
    assert decided(after, LOG, piece) == ([("e5", NEW.digest), ("e6", NEW.digest)], [], 7)
    assert (before.handed_over_to, after.building) == (2, False)


def test_a_memory_that_is_built_is_that_of_a_replay_with_the_new_catalogue() -> None:
    built, replayed = building(), ENGINES[NEW.digest].memory()
    of_built = [span for span in read_log(ENGINES, built, LOG) if span.decided]
    payments = [record for record in LOG if not controls_in([record])]
    of_replay = read_log(ENGINES, replayed, payments)
    assert answers_of(of_built) == answers_of(of_replay)[-2:]
    assert built.changes() == replayed.changes()


def test_a_switch_to_rules_that_are_not_to_be_had_hands_over_all_the_same() -> None:
    log = [payment(0), switch(1, "0123456789abcdef", state_version=2), payment(2)]
    assert decided(old_memory(), log, 100) == ([("e0", OLD.digest)], [], 2)
    assert decided(building(), log, 100) == ([("e2", NEW.digest)], [1], 3)


def test_what_an_older_version_is_told_later_is_refused() -> None:
    log = [switch(0, NEW.digest, 2), switch(1, OLD.digest, 1), payment(2)]
    assert decided(building(), log, 100) == ([("e2", NEW.digest)], [1], 3)


def test_only_rule_sets_that_a_memory_may_switch_to_are_asked_for() -> None:
    controls = controls_in(LOG)
    assert rule_sets_named(old_memory(), LOG, controls) == {TUNED.digest}
    assert rule_sets_named(building(), LOG, controls) == {NEW.digest}


def answers_of(spans: Sequence[Span]) -> list[bytes]:
    return [msgspec.json.encode(d) for span in spans for d in span.reading.verdicts.decisions()]
