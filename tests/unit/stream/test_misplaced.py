"""What a worker does with records that are not in the partition of their key."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fraudstream.contracts.headers import REPARTITIONED_HEADER
from fraudstream.engine.partitioners import partitions_for
from tests.unit.stream.in_memory import Worker, batch, payment

ACCOUNT = "a"
PARTITIONS = 4
DUE = int(partitions_for([ACCOUNT.encode()], PARTITIONS)[0])
WRONG = (DUE + 1) % PARTITIONS


def copies(worker: Worker) -> list[tuple[int, bytes]]:
    """Partition of each copy that was sent, in order, and the record that its mark names."""
    return [
        (number, dict(record.headers)[REPARTITIONED_HEADER].rpartition(b":")[0])
        for topic, number, records in worker.sender.batches
        if topic == "payments"
        for record in records
    ]


async def test_a_misplaced_payment_is_decided_in_the_partition_of_its_key() -> None:
    worker = Worker()
    await worker.assign(DUE, WRONG)
    await worker.process(payment(0, ACCOUNT), payment(1, ACCOUNT), partition=WRONG)
    await worker.settle()
    assert copies(worker) == [(DUE, b"%d:0" % WRONG), (DUE, b"%d:1" % WRONG)]
    assert worker.sender.sent("decisions") == []
    assert worker.observer.misplaced == [(WRONG, 2, "repartition")]


async def test_a_checkpoint_waits_for_the_copies() -> None:
    worker = Worker()
    await worker.assign(WRONG)
    worker.sender.error = ConnectionError("the broker is away")
    await worker.process(payment(0, ACCOUNT), partition=WRONG)
    with pytest.raises(ConnectionError):
        await worker.checkpoint(WRONG)


async def test_a_crash_repeats_copies_and_the_due_partition_drops_the_repeated() -> None:
    worker = Worker()
    await worker.assign(DUE, WRONG)
    await worker.process(payment(0, ACCOUNT), partition=WRONG)
    await worker.settle()
    successor = worker.successor()
    await successor.assign(DUE, WRONG)
    await successor.process(payment(0, ACCOUNT), partition=WRONG)
    await successor.settle()
    sent = [record for topic, _, records in worker.sender.batches if topic == "payments" for record in records]
    log = [payment(i, ACCOUNT, "e0")._replace(headers=record.headers) for i, record in enumerate(sent)]
    assert len(log) == 2
    await successor.process(log[0], partition=DUE)
    await successor.checkpoint(DUE)
    last = successor.successor()
    await last.assign(DUE)
    await last.process(log[1], partition=DUE)
    await last.settle()
    assert len(last.sender.sent("decisions")) == 1
    assert last.observer.judged[-1].dropped == 1


async def test_reject_sends_it_to_the_dead_letters_and_answers_it_unjudged() -> None:
    worker = Worker(misplaced="reject")
    await worker.assign(WRONG)
    await worker.process(payment(0, ACCOUNT), partition=WRONG)
    await worker.settle()
    [letter] = worker.sender.sent("dead-letters")
    assert b'"reason":"partition"' in letter.value
    [decision] = worker.sender.sent("decisions")
    assert b'"outcome":"unjudged","reason":"partition"' in decision.value
    assert copies(worker) == []


async def test_what_says_that_it_is_a_copy_is_not_copied_again() -> None:
    worker = Worker()
    await worker.assign(WRONG)
    await worker.process(payment(0, ACCOUNT)._replace(headers=[(REPARTITIONED_HEADER, b"3:17")]), partition=WRONG)
    await worker.settle()
    assert copies(worker) == []
    [letter] = worker.sender.sent("dead-letters")
    assert b'"reason":"partition"' in letter.value
    [decision] = worker.sender.sent("decisions")
    assert b'"outcome":"unjudged","reason":"partition"' in decision.value


@pytest.mark.parametrize("settings", [{"misplaced": "count"}, {"partitioner": "any"}], ids=str)
async def test_count_and_any_decide_it_where_it_is(settings: dict[str, Any]) -> None:
    worker = Worker(**settings)
    await worker.assign(WRONG)
    await worker.process(payment(0, ACCOUNT), partition=WRONG)
    await worker.settle()
    assert len(worker.sender.sent("decisions")) == 1
    assert worker.observer.misplaced == ([(WRONG, 1, "count")] if "misplaced" in settings else [])


async def test_a_backfill_leaves_the_copying_to_the_version_that_decides() -> None:
    worker = Worker(backfill=True, state_version=2)
    await worker.assign(WRONG)
    await worker.process(payment(0, ACCOUNT), partition=WRONG)
    await worker.settle()
    assert copies(worker) == []


async def test_labels_go_where_the_declared_partitioner_puts_their_account() -> None:
    worker = Worker(partitioner="consistent_random")
    assert worker.stage.labels is not None
    worker.stage.labels.resume({0: 0})
    body = b'{"event_id": "e0", "account_id": "acct-7", "label": "fraud", "labelled_at": 1000}'
    record = payment(0)._replace(key=b"acct-7", value=body)
    await worker.stage.labels.forward(0, batch(record))
    [(_, number, _)] = [sent for sent in worker.sender.batches if sent[0] == "payments"]
    assert number == partitions_for([b"acct-7"], PARTITIONS, "consistent_random")[0]


async def test_the_log_names_an_example_and_the_partitioner_that_explains_it(caplog: pytest.LogCaptureFixture) -> None:
    crc = int(partitions_for([ACCOUNT.encode()], PARTITIONS, "consistent_random")[0])
    assert crc != DUE
    worker = Worker()
    await worker.assign(crc)
    with caplog.at_level(logging.WARNING, "fraudstream.stream.misplaced"):
        for offset in range(3):
            await worker.process(payment(offset, ACCOUNT), partition=crc)
    [message] = caplog.messages
    assert message.startswith(f"payments-{crc}: 1 records belong to other partitions under the partitioner murmur2")
    assert f"offset 0, which belongs to partition {DUE}; consistent_random would put all of them here" in message
    await worker.settle()
