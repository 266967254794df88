"""Misplaced records: which they are, what each policy does with them, and that a copy is applied once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Payment
from fraudstream.contracts.headers import repartitioned_header, version_header
from fraudstream.engine.apply import ApplyResult, apply, apply_and_forward
from fraudstream.engine.engine import Engine
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.engine.placement import Misplaced, MisplacedPolicy, Placement
from fraudstream.engine.rule_set import compile_rule_set

FEATURES = """
version: 1
entities:
  account: {key: account_id, slots: 16}
features:
  account.payments_1h: {aggregate: count, window: 1h}
"""
SCORE = "threshold: 0.9\nparts: []\n"
PARTITIONS = 4
ACCOUNTS = [f"a{n}" for n in range(40)]
HERE, DUE = 1, 2  # the partition that is read, and one to which some of its records belong


def accounts_of(partition: int, partitioner: Partitioner = "murmur2") -> list[str]:
    numbers = partitions_for([account.encode() for account in ACCOUNTS], PARTITIONS, partitioner).tolist()
    return [account for account, number in zip(ACCOUNTS, numbers, strict=True) if number == partition]


def record(
    offset: int,
    account: str,
    headers: Sequence[tuple[str, bytes]] = (),
    key: bytes | None = None,
    value: bytes | None = None,
) -> ConsumerRecord[bytes, bytes]:
    payment = Payment(f"e{offset}", 1_000, account, "1.00", "EUR", "debit")
    content = msgspec.json.encode(payment) if value is None else value
    key = account.encode() if key is None else key or None
    return ConsumerRecord("payments", HERE, offset, 1_000, 0, key, content, None, 0, len(content), tuple(headers))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(compile_rule_set({"features.yaml": FEATURES, "score.yaml": SCORE}))


def state_of(engine: Engine, policy: MisplacedPolicy, partitioner: Partitioner = "murmur2") -> PartitionState:
    state = engine.new_state()
    state.placement = Placement(HERE, PARTITIONS, partitioner, policy)
    return state


def applied(engine: Engine, policy: MisplacedPolicy) -> ApplyResult:
    """Own payment, misplaced payment, own payment."""
    (own, *_), (other, *_) = accounts_of(HERE), accounts_of(DUE)
    return apply(engine, state_of(engine, policy), [record(0, own), record(1, other), record(2, own)])


def test_repartition_leaves_a_misplaced_record_to_its_partition(engine: Engine) -> None:
    result = applied(engine, "repartition")
    assert result.misplaced == (Misplaced(1, DUE),)
    assert (result.positions.tolist(), result.refused, result.dropped) == ([0, 2], [], 0)


def test_reject_refuses_it_and_says_what_to_set(engine: Engine) -> None:
    result = applied(engine, "reject")
    assert result.misplaced == (Misplaced(1, DUE),)
    assert result.positions.tolist() == [0, 2]
    [refusal] = result.refused
    assert (refusal.position, refusal.reason, refusal.path) == (1, "partition", "$.account_id")
    assert "belongs to partition 2 of 4 under the partitioner murmur2" in refusal.sentence
    assert "partitioner=murmur2_random" in refusal.sentence


def test_count_decides_it_where_it_is(engine: Engine) -> None:
    result = applied(engine, "count")
    assert result.misplaced == (Misplaced(1, DUE),)
    assert (result.positions.tolist(), result.refused) == ([0, 1, 2], [])


def test_without_a_placement_nothing_is_checked(engine: Engine) -> None:
    result = apply(engine, engine.new_state(), [record(0, accounts_of(DUE)[0])])
    assert (result.misplaced, result.positions.tolist()) == ((), [0])


@pytest.mark.parametrize("partitioner", ["murmur2", "consistent_random", "fnv1a_random"])
def test_every_record_of_the_declared_partitioner_is_in_place(engine: Engine, partitioner: Partitioner) -> None:
    records = [record(i, account) for i, account in enumerate(accounts_of(HERE, partitioner))]
    result = apply(engine, state_of(engine, "reject", partitioner), records)
    assert (len(records) > 2, result.misplaced, result.refused) == (True, (), [])


def test_a_record_with_another_fault_keeps_its_own_reason(engine: Engine) -> None:
    """So a file, a topic and an API call that carry it get the same refusal."""
    other = accounts_of(DUE)[0]
    records = [record(0, other, key=b""), record(1, other, key=b"x"), record(2, other, value=b"{}")]
    result = apply(engine, state_of(engine, "reject"), records)
    assert [refusal.reason for refusal in result.refused] == ["key", "key", "invalid"]
    assert result.misplaced == ()


def test_a_copy_is_applied_once(engine: Engine) -> None:
    """After a crash the worker of the other partition copies its records again, from its last checkpoint on."""
    own, state = accounts_of(HERE)[0], state_of(engine, "repartition")
    first = apply(engine, state, [record(0, own, [repartitioned_header(3, 5)]), record(1, own)])
    again = [record(2, own, [repartitioned_header(3, 5)]), record(3, own, [repartitioned_header(3, 6)]), record(4, own)]
    second = apply(engine, state, again)
    assert (first.positions.tolist(), first.dropped) == ([0, 1], 0)
    assert (second.positions.tolist(), second.dropped) == ([1, 2], 1)
    assert second.verdicts.features["account.payments_1h"].tolist() == [3.0, 4.0]
    assert state.sources == {"3": 6}


def test_copies_are_dropped_alike_however_the_log_is_split(engine: Engine) -> None:
    own, other = accounts_of(HERE)[0], accounts_of(DUE)[0]
    offsets = [3, 4, 3, 4, 5]
    log = [record(i, own, [repartitioned_header(0, offset)]) for i, offset in enumerate(offsets)]
    log[2:2] = [record(9, other)]
    at_once = apply(engine, state_of(engine, "repartition"), log)
    state = state_of(engine, "repartition")
    one_by_one = [apply(engine, state, [each]) for each in log]
    assert at_once.positions.tolist() == [i for i, result in enumerate(one_by_one) if len(result.positions)]
    assert at_once.dropped == sum(result.dropped for result in one_by_one) == 2
    assert at_once.misplaced == (Misplaced(2, DUE),)


def test_the_copies_of_each_state_version_are_known_by_their_own_offsets(engine: Engine) -> None:
    """At a cut-over the later version may copy before the copies of the earlier one have arrived."""
    own, state = accounts_of(HERE)[0], state_of(engine, "repartition")
    later = record(0, own, [repartitioned_header(3, 8), version_header(2)])
    earlier = record(1, own, [repartitioned_header(3, 7)])
    assert apply(engine, state, [later, earlier]).positions.tolist() == [0, 1]


def test_a_copy_is_never_copied_again(engine: Engine) -> None:
    """Otherwise workers with different settings would send it back and forth."""
    copy = record(0, accounts_of(DUE)[0], [repartitioned_header(3, 5)])
    result = apply(engine, state_of(engine, "repartition"), [copy])
    assert (result.misplaced, result.positions.tolist()) == ((), [0])


def test_a_publishers_malformed_header_is_no_copy(engine: Engine) -> None:
    own = accounts_of(HERE)[0]
    records = [record(i, own, [("repartitioned", b"yes")]) for i in range(2)]
    assert apply(engine, state_of(engine, "repartition"), records).positions.tolist() == [0, 1]


def test_the_first_of_several_stages_checks_too() -> None:
    chain = FEATURES.replace("features:", "  device: {key: device_id, slots: 16}\nfeatures:")
    chain += "  device.payments_1h: {aggregate: count, window: 1h}\n"
    engine = Engine(compile_rule_set({"features.yaml": chain, "score.yaml": SCORE})).of_stage("account")
    (own, *_), (other, *_) = accounts_of(HERE), accounts_of(DUE)
    result = apply_and_forward(engine, state_of(engine, "repartition"), [record(0, own), record(1, other)])
    assert (result.misplaced, result.events, result.dropped) == ((Misplaced(1, DUE),), 1, 0)
