"""Misplaced records: which they are, what each policy does with them, and that a copy is applied once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Payment
from fraudstream.contracts.headers import REPARTITIONED_HEADER
from fraudstream.engine.apply import ApplyResult, apply, apply_and_forward
from fraudstream.engine.copies import CopyMarks
from fraudstream.engine.digest import PUBLIC_KEY
from fraudstream.engine.engine import Engine
from fraudstream.engine.identifier_key import key_of
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
MARKS = CopyMarks(PUBLIC_KEY)
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


def copy(
    offset: int, account: str, partition: int, source_offset: int, state_version: int = 1
) -> ConsumerRecord[bytes, bytes]:
    """As a worker copies a payment of another partition."""
    plain = record(offset, account)
    return record(offset, account, [MARKS.header(partition, source_offset, state_version, plain)])


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
    first = apply(engine, state, [copy(0, own, 3, 5), record(1, own)])
    second = apply(engine, state, [copy(2, own, 3, 5), copy(3, own, 3, 6), record(4, own)])
    assert (first.positions.tolist(), first.dropped) == ([0, 1], 0)
    assert (second.positions.tolist(), second.dropped) == ([1, 2], 1)
    assert second.verdicts.features["account.payments_1h"].tolist() == [3.0, 4.0]
    assert state.sources == {"3": 6}


def test_copies_are_dropped_alike_however_the_log_is_split(engine: Engine) -> None:
    own, other = accounts_of(HERE)[0], accounts_of(DUE)[0]
    log = [copy(i, own, 0, offset) for i, offset in enumerate([3, 4, 3, 4, 5])]
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
    log = [copy(0, own, 3, 8, state_version=2), copy(1, own, 3, 7)]
    assert apply(engine, state, log).positions.tolist() == [0, 1]


@pytest.mark.parametrize("policy", ["repartition", "reject"])
def test_a_misplaced_copy_becomes_a_dead_letter(engine: Engine, policy: MisplacedPolicy) -> None:
    """Copied again, it would go back and forth between workers with different settings. Applied, it would let a
    publisher put an account's payments where the account has no history."""
    other = accounts_of(DUE)[0]
    forged = record(1, other, [(REPARTITIONED_HEADER, b"3:5")])
    result = apply(engine, state_of(engine, policy), [copy(0, other, 3, 5), forged])
    assert [(refusal.position, refusal.reason) for refusal in result.refused] == [(0, "partition"), (1, "partition")]
    assert "says that it was copied already" in result.refused[0].sentence
    assert result.positions.tolist() == []


def forged_marks() -> list[bytes]:
    """What a publisher may write into the header of a copy; the last but one has the code of another payment."""
    own = accounts_of(HERE)[0]
    genuine = MARKS.header(3, 900, 1, record(7, own))[1]
    digits = b"9" * 5_000  # more than Python reads as a number
    marks = [b"", b"yes", b"3", b"3:5", b"3:999999999999999999", b"3:" + digits, digits + b":3", b"3:5:" + b"0" * 32]
    return [*marks, b"3:5:" + b"z" * 32, b"\xff:\xff", genuine, genuine.replace(b":900:", b":901:")]


@pytest.mark.parametrize("mark", forged_marks(), ids=lambda mark: mark[:24].decode(errors="replace"))
def test_a_forged_header_changes_no_verdict_and_no_later_copy_is_lost(engine: Engine, mark: bytes) -> None:
    own, state, plain = accounts_of(HERE)[0], state_of(engine, "repartition"), state_of(engine, "repartition")
    forged = [record(i, own, [(REPARTITIONED_HEADER, mark)]) for i in range(3)]
    found = apply(engine, state, [*forged, copy(3, own, 3, 0), record(4, own)])
    due = apply(engine, plain, [*(record(i, own) for i in range(3)), copy(3, own, 3, 0), record(4, own)])
    assert (found.dropped, found.refused, found.misplaced) == (0, [], ())
    assert found.verdicts.features["account.payments_1h"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert found.positions.tolist() == due.positions.tolist() == [0, 1, 2, 3, 4]
    assert state.sources == plain.sources == {"3": 0}


def test_a_copy_of_another_deployment_is_none(engine: Engine) -> None:
    own, key = accounts_of(HERE)[0], key_of(b"another secret..")
    header = CopyMarks(key).header(3, 5, 1, record(0, own))
    state = state_of(engine, "repartition")
    assert apply(engine, state, [record(0, own, [header])]).positions.tolist() == [0]
    assert state.sources == {}


def test_the_first_of_several_stages_checks_too() -> None:
    chain = FEATURES.replace("features:", "  device: {key: device_id, slots: 16}\nfeatures:")
    chain += "  device.payments_1h: {aggregate: count, window: 1h}\n"
    engine = Engine(compile_rule_set({"features.yaml": chain, "score.yaml": SCORE})).of_stage("account")
    (own, *_), (other, *_) = accounts_of(HERE), accounts_of(DUE)
    result = apply_and_forward(engine, state_of(engine, "repartition"), [record(0, own), record(1, other)])
    assert (result.misplaced, result.events, result.dropped) == ((Misplaced(1, DUE),), 1, 0)
