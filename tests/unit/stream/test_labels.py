"""Labels are forwarded batch after batch: none is left out, whatever a rebalance drops on the way."""

from __future__ import annotations

import pytest

from fraudstream.contracts.record_signature import RecordSignatures, SigningSecrets
from fraudstream.stream.labels import LabelForwarder
from fraudstream.stream.record_batch import RecordBatch
from tests.unit.stream.in_memory import InMemorySender, Record, Worker, batch

NUMBER = 2


def labels(first: int, following: int) -> RecordBatch:
    return batch(*(Record(offset, b"%d" % offset, b"a") for offset in range(first, following)))


def new_worker() -> tuple[Worker, LabelForwarder]:
    worker = Worker()
    assert worker.stage.labels is not None
    return worker, worker.stage.labels


def forwarded(sender: InMemorySender) -> list[int]:
    return [int(record.value) for record in sender.sent("payments")]


async def test_a_batch_behind_one_that_was_dropped_is_not_forwarded_and_fetching_seeks_back() -> None:
    worker, forwarder = new_worker()
    forwarder.resume({NUMBER: 60})
    assert await forwarder.forward(NUMBER, labels(65, 70)) == 0
    assert (forwarded(worker.sender), worker.labels.sought, worker.labels.committed) == ([], [(NUMBER, 60)], {})
    assert await forwarder.forward(NUMBER, labels(60, 70)) == 10
    assert forwarded(worker.sender) == list(range(60, 70))
    assert worker.labels.committed == {NUMBER: 70}
    assert worker.observer.labels == 10


async def test_what_was_forwarded_is_not_forwarded_again() -> None:
    worker, forwarder = new_worker()
    forwarder.resume({NUMBER: 0})
    await forwarder.forward(NUMBER, labels(0, 3))
    assert worker.labels.committed == {NUMBER: 3}
    assert await forwarder.forward(NUMBER, labels(0, 3)) == 0
    assert await forwarder.forward(NUMBER, labels(1, 5)) == 2
    assert (forwarded(worker.sender), worker.labels.committed) == ([0, 1, 2, 3, 4], {NUMBER: 5})
    assert worker.labels.sought == []


async def test_a_batch_of_a_partition_that_was_revoked_is_ignored() -> None:
    worker, forwarder = new_worker()
    forwarder.resume({NUMBER: 0})
    forwarder.resume({})
    assert await forwarder.forward(NUMBER, labels(0, 3)) == 0
    assert (forwarded(worker.sender), worker.labels.committed) == ([], {})


async def test_labels_are_keyed_by_account_and_marked_as_labels() -> None:
    worker, forwarder = new_worker()
    forwarder.resume({NUMBER: 0})
    keyless = Record(0, b'{"account_id": "acct-7"}', None, (("type", b"payment"), ("trace", b"1")))
    await forwarder.forward(NUMBER, batch(keyless))
    (sent,) = worker.sender.sent("payments")
    assert sent.key == b"acct-7"
    assert list(sent.headers) == [("trace", b"1"), ("type", b"label")]


async def test_labels_are_signed_with_the_secret_of_the_worker_whoever_signed_them_before() -> None:
    """The ACL of the labels topic says who may publish labels."""
    secrets, other = SigningSecrets("label", {"l": b"l" * 32}), SigningSecrets("label", {"x": b"x" * 32})
    worker = Worker(signatures=RecordSignatures(labels=secrets))
    forwarder = worker.stage.labels
    assert forwarder is not None
    forwarder.resume({NUMBER: 0})
    await forwarder.forward(NUMBER, batch(Record(0, b"{}", b"a", (other.header(b"{}"), ("trace", b"1")))))
    (sent,) = worker.sender.sent("payments")
    assert list(sent.headers) == [("trace", b"1"), ("type", b"label"), secrets.header(b"{}")]


@pytest.mark.parametrize("value", [b'{"a":' * 100_000, b'{"account_id": "\xff"}', b"[]"])
async def test_a_label_without_key_that_cannot_be_decoded_is_forwarded_as_it_is(value: bytes) -> None:
    """Objects nested too deep ended the worker, and its successor again."""
    worker, forwarder = new_worker()
    forwarder.resume({NUMBER: 0})
    await forwarder.forward(NUMBER, batch(Record(0, value, None)))
    (sent,) = worker.sender.sent("payments")
    assert (sent.key, sent.value) == (None, value)


async def test_labels_that_were_not_acknowledged_are_not_committed() -> None:
    worker, forwarder = new_worker()
    forwarder.resume({NUMBER: 0})
    worker.sender.error = TimeoutError()
    with pytest.raises(TimeoutError):
        await forwarder.forward(NUMBER, labels(0, 3))
    assert worker.labels.committed == {}


async def test_a_commit_that_fails_does_not_stop_forwarding(caplog: pytest.LogCaptureFixture) -> None:
    worker, forwarder = new_worker()
    forwarder.resume({NUMBER: 0})
    worker.labels.commit_error = OSError("no coordinator")
    assert await forwarder.forward(NUMBER, labels(0, 3)) == 3
    assert "labels-2: offsets of forwarded labels were not committed" in caplog.text
