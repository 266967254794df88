"""Backfill and cut-over: each payment is decided by exactly one state version. All in memory."""

from __future__ import annotations

import pytest

from fraudstream.contracts.headers import BACKFILLED_HEADER, VERSION_HEADER
from fraudstream.kafka import Brokers
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.state_versions import check_version
from tests.unit.stream.in_memory import OWN, Record, Worker, chain, payment, payment_with_device, switch

LOG = (payment(0), payment(1), switch(2, OWN.digest, state_version=2), payment(3), payment(4))


def sources(worker: Worker) -> list[bytes]:
    """Which records were decided."""
    return [dict(record.headers)["source"] for record in worker.sender.sent("decisions")]


async def a_worker(**settings: object) -> Worker:
    worker = Worker(**settings)  # type: ignore[arg-type]  # passed on to StreamSettings
    await worker.assign(0)
    return worker


async def test_a_switch_to_a_later_version_cuts_the_partition_over_at_its_offset() -> None:
    worker = await a_worker()
    await worker.process(*LOG)
    await worker.settle()
    partition = worker.stage.partitions[0]
    assert sources(worker) == [b"0:0", b"0:1"]
    assert partition.next_offset == partition.saved_offset == 3
    assert partition.frozen
    sentence = "cut over to state version 2 at offset 2; stop this worker"
    assert worker.observer.undecided == [(0, sentence, False)]
    await worker.process(*LOG[3:])
    assert worker.observer.judged[-1].payments != 4
    assert sources(worker) == [b"0:0", b"0:1"]


async def test_a_partition_that_was_cut_over_stays_so_for_its_next_owner() -> None:
    worker = await a_worker()
    await worker.process(*LOG)
    successor = worker.successor()
    await successor.assign(0)
    assert successor.stage.partitions[0].frozen
    assert successor.observer.undecided[0][1].startswith("cut over to state version 2")
    assert successor.observer.decided == []


async def test_a_backfill_decides_nothing_before_the_switch_and_everything_after_it() -> None:
    worker = await a_worker(state_version=2, backfill=True)
    assert worker.observer.undecided == [(0, "backfilling state version 2", True)]
    assert worker.observer.decided == []
    await worker.process(*LOG)
    await worker.settle()
    assert sources(worker) == [b"0:3", b"0:4"]
    assert {dict(record.headers)[VERSION_HEADER] for record in worker.sender.sent("decisions")} == {b"2"}
    assert sum(worker.observer.backfilled) >= 2
    assert worker.observer.decided == [(0, OWN.digest)]
    assert worker.observer.judged[-1].alerts == 2, "payments before the switch are in the state"


async def test_a_backfill_continues_from_its_checkpoint() -> None:
    worker = await a_worker(state_version=2, backfill=True)
    await worker.process(*LOG[:2])
    await worker.checkpoint()
    successor = worker.successor()
    await successor.assign(0)
    assert successor.stage.partitions[0].backfilling
    assert successor.observer.undecided == [(0, "backfilling state version 2", True)]
    await successor.process(*LOG[2:])
    await successor.settle()
    assert sources(successor) == [b"0:3", b"0:4"]


async def test_a_later_version_without_a_state_is_refused_unless_it_is_backfilled() -> None:
    worker = Worker(state_version=2)
    with pytest.raises(PermanentFailure, match=r"State version 2 has no state of payments-0 yet\. Build it"):
        await worker.assign(0)


def test_the_first_version_cannot_be_backfilled() -> None:
    with pytest.raises(PermanentFailure, match="--backfill builds a state beside the one in use"):
        check_version(StreamSettings(brokers=Brokers("nowhere:1"), checkpoint_mode="batch", backfill=True))


async def test_what_a_first_stage_backfills_is_forwarded_as_backfilled() -> None:
    worker = Worker(chain(), state_version=2, backfill=True)
    await worker.assign(0)
    log = [payment_with_device(0), switch(1, OWN.digest, state_version=2), payment_with_device(2)]
    await worker.process(*log, Record(3, b"{", b"a"))
    await worker.settle()
    sent = worker.sender.sent(worker.settings.next_topic or "")
    assert [BACKFILLED_HEADER in record.headers for record in sent] == [True, False]
    assert [report.forwarded for report in worker.observer.forwarded] == [1, 1]
    assert worker.observer.decided == [(0, None)]
    assert worker.stage.partitions[0].next_offset == 4
