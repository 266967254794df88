"""A fault of one partition stops that partition and no other; an accepted gap lets it continue with its state."""

from __future__ import annotations

import msgspec
import pytest

from fraudstream.contracts import Alert
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.stream.checkpoints.changelog import CHECKPOINT_KEY
from fraudstream.stream.checkpoints.checkpoint_record import decode_checkpoint
from fraudstream.stream.failure import NewerState, PartitionFault, PermanentFailure
from tests.unit.stream.in_memory import FEATURES, RULE, Record, Worker, batch, label, payment, switch

GAP_FIRST, GAP_END = 2, 10  # records 2 to 9 of partition 0 are deleted


async def worker_with_state() -> Worker:
    """Partitions 0 and 1 at offset 2, each with a checkpoint."""
    worker = Worker(partitioner="any")
    await worker.assign(0, 1)
    for number in (0, 1):
        await worker.process(payment(0), payment(1), partition=number)
        await worker.settle()
        await worker.checkpoint(number)
    return worker


async def successor_after_a_gap() -> Worker:
    """A worker that is started after retention has passed the position of partition 0."""
    successor = (await worker_with_state()).successor()
    successor.input.first[0] = GAP_END
    await successor.assign(0, 1)
    return successor


def alerts(worker: Worker) -> list[Alert]:
    return [msgspec.json.decode(record.value, type=Alert) for record in worker.sender.sent("alerts")]


async def test_the_partition_that_lacks_records_stops_alone() -> None:
    worker = await successor_after_a_gap()
    await worker.process(payment(GAP_END), partition=0, first=GAP_END)
    await worker.process(payment(2, event_id="sound"), partition=1)
    await worker.settle()
    assert worker.stage.failure.error is None
    assert worker.stage.stopped.numbers == {0}
    assert worker.observer.recoveries == [1]
    assert worker.stage.assignment.positions() == {1: 3}
    [(number, sentence)] = worker.observer.stopped
    assert number == 0
    assert "payments-0: retention deleted the records 2 to 9 (8) before they were processed" in sentence
    assert "the last payment before them occurred at 1970-01-01" in sentence
    assert "the first record after them was published at 2023-11-14" in sentence
    assert "fraudstream state accept-gap 0" in sentence


async def test_an_accepted_gap_lets_it_continue_with_its_state() -> None:
    worker = await successor_after_a_gap()
    await worker.stage.gap_watch.look()
    assert worker.stage.stopped.numbers == {0}, "nothing is accepted yet"
    worker.changelog.accept_gap(0, GAP_FIRST, GAP_END)
    await worker.stage.gap_watch.look()
    assert worker.stage.stopped.numbers == frozenset()
    assert worker.input.sought[-1] == (0, GAP_END)
    assert (worker.observer.resumed, worker.observer.missing) == ([0], [(0, GAP_END - GAP_FIRST)])
    await worker.process(payment(GAP_END), partition=0)
    await worker.settle()
    last = alerts(worker)[-1]
    assert last.rules[0].message == "3"  # the two payments before the gap are remembered
    assert [feature.warming for feature in last.features] == ["0 of 30 days"]


async def test_a_successor_knows_the_acceptance_and_still_warms_up() -> None:
    """Also where nothing was applied since: the mark is in the checkpoint, not only in rows."""
    worker = await successor_after_a_gap()
    worker.changelog.accept_gap(0, GAP_FIRST, GAP_END)
    await worker.stage.gap_watch.look()
    for _ in range(2):
        worker = worker.successor()
        await worker.assign(0)
        assert worker.stage.stopped.numbers == frozenset()
        assert worker.observer.missing == []
    await worker.process(payment(GAP_END), partition=0)
    await worker.settle()
    await worker.checkpoint(0)
    last = worker.successor()
    await last.assign(0)
    await last.process(payment(GAP_END + 1), partition=0)
    await last.settle()
    assert [feature.warming for alert in alerts(last)[-2:] for feature in alert.features] == ["0 of 30 days"] * 2
    assert alerts(last)[-1].rules[0].message == "4"
    assert "catch_up" not in last.rule_sets.calls


async def test_a_gap_accepted_while_no_worker_ran_counts_at_the_start() -> None:
    worker = (await worker_with_state()).successor()
    worker.input.first[0] = GAP_END + 5  # retention has deleted more since
    worker.changelog.accept_gap(0, GAP_FIRST, GAP_END)
    await worker.assign(0)
    assert worker.observer.stopped == []
    assert worker.stage.assignment.positions() == {0: GAP_END + 5}
    assert worker.observer.missing == [(0, GAP_END + 5 - GAP_FIRST)]


async def test_an_acceptance_counts_for_its_own_gap_alone() -> None:
    worker = (await worker_with_state()).successor()
    worker.input.first[0] = GAP_END
    worker.changelog.accept_gap(0, GAP_FIRST - 1, GAP_END)
    await worker.assign(0)
    assert worker.stage.stopped.numbers == {0}


async def test_records_deleted_under_a_running_worker_stop_their_partition() -> None:
    worker = await worker_with_state()
    await worker.process(payment(2), partition=0)
    worker.input.first[0] = GAP_END
    await worker.process(payment(GAP_END), partition=0, first=GAP_END)
    await worker.process(payment(2, event_id="sound"), partition=1)
    await worker.settle()
    assert worker.stage.stopped.numbers == {0}
    assert worker.input.sought == []
    assert worker.observer.checkpoints[-1] == (0, 3), "the position that names the gap is durable"
    worker.changelog.accept_gap(0, 3, GAP_END)
    await worker.stage.gap_watch.look()
    await worker.process(payment(GAP_END), partition=0)
    await worker.settle()
    assert alerts(worker)[-1].rules[0].message == "4"
    assert worker.input.sought == [(0, GAP_END)]


async def test_a_batch_that_a_rebalance_dropped_is_still_fetched_again() -> None:
    worker = await worker_with_state()
    await worker.process(payment(5), partition=0, first=5)
    assert worker.stage.stopped.numbers == frozenset()
    assert worker.input.sought == [(0, 2)]


async def test_a_stopped_partition_stays_so_through_a_rebalance_and_is_not_saved() -> None:
    worker = await successor_after_a_gap()
    before = len(worker.changelog.records[0])
    await worker.stage.assignment.on_revoked()
    await worker.stage.assignment.on_assigned({0, 1})
    await worker.stage.assignment.resume({0, 1})
    assert worker.stage.stopped.numbers == {0}
    assert len(worker.changelog.records[0]) == before
    await worker.stage.assignment.on_revoked()
    worker.changelog.accept_gap(0, GAP_FIRST, GAP_END)
    await worker.stage.gap_watch.look()
    assert worker.stage.stopped.numbers == {0}, "not while partitions are being revoked"
    await worker.stage.assignment.on_assigned({1})
    assert worker.stage.stopped.numbers == frozenset(), "its next owner decides"


async def test_the_lists_and_rules_of_a_gap_are_taken_from_the_controls() -> None:
    worker = (await worker_with_state()).successor()
    worker.input.first[0] = GAP_END
    worker.rule_sets.seeds = [("vip", "a")]
    worker.changelog.accept_gap(0, GAP_FIRST, GAP_END)
    await worker.assign(0)
    assert "catch_up" in worker.rule_sets.calls
    assert worker.stage.partitions[0].state.lists.any_on("vip")
    again = worker.successor()
    await again.assign(0)
    assert again.stage.partitions[0].state.lists.any_on("vip")


# Other faults of one partition


async def test_a_changelog_record_that_cannot_be_read_stops_its_partition() -> None:
    worker = (await worker_with_state()).successor()
    records = worker.changelog.records[0]
    records.append(Record(len(records), b"{", CHECKPOINT_KEY))
    await worker.assign(0, 1)
    [(number, sentence)] = worker.observer.stopped
    assert number == 0
    assert "state-changelog-0: a record between" in sentence
    assert worker.observer.recoveries == [1]
    assert worker.stage.failure.error is None


async def test_a_state_that_only_a_later_release_can_read_is_not_kept_from_the_workers_of_that_release() -> None:
    worker = (await worker_with_state()).successor()
    records = worker.changelog.records[0]
    records.append(Record(len(records), b'{"schema_version":2,"release":"9.0","next_offset":"a1"}', CHECKPOINT_KEY))
    with pytest.raises(NewerState, match=r"saved by fraudstream 9.0, as version 2 of the checkpoint; this is .* docs"):
        await worker.assign(0, 1)
    assert worker.stage.stopped.numbers == frozenset()


async def test_a_partition_of_another_topic_stops_where_others_are_sound() -> None:
    worker = (await worker_with_state()).successor()
    records = worker.changelog.records[0]
    for i, record in enumerate(records):
        if record.key == CHECKPOINT_KEY:
            checkpoint = msgspec.structs.replace(decode_checkpoint(record.value or b""), input_id="another")
            records[i] = record._replace(value=msgspec.json.encode(checkpoint))
    await worker.assign(0, 1)
    assert worker.stage.stopped.numbers == {0}
    assert "it was created again" in worker.observer.stopped[0][1]


async def test_a_fault_of_all_partitions_is_the_workers() -> None:
    """A topic that was created again, another catalogue: the worker ends with the sentence, as a supervisor expects."""
    worker = (await worker_with_state()).successor()
    worker.cluster = worker.cluster._replace(input_id="another")
    other = Worker(previous=worker, partitioner="any")
    for number in (0, 1):
        for i, record in enumerate(other.changelog.records[number]):
            if record.key == CHECKPOINT_KEY:
                checkpoint = msgspec.structs.replace(decode_checkpoint(record.value or b""), input_id="another")
                other.changelog.records[number][i] = record._replace(value=msgspec.json.encode(checkpoint))
    with pytest.raises(PermanentFailure, match="it was created again"):
        await other.assign(0, 1)


async def test_gaps_in_all_partitions_end_no_worker() -> None:
    worker = (await worker_with_state()).successor()
    worker.input.first |= {0: GAP_END, 1: GAP_END}
    await worker.assign(0, 1)
    assert worker.stage.stopped.numbers == {0, 1}


async def test_an_unfinished_import_of_one_partition_stops_it() -> None:
    worker = await worker_with_state()
    worker.changelog.records[2].append(Record(0, b"value", b"account\0a\0c0"))
    await worker.stage.assignment.on_revoked()
    await worker.assign(0, 1, 2)
    assert worker.stage.stopped.numbers == {2}
    assert "an import was not finished" in worker.observer.stopped[0][1]


async def test_a_switch_to_rules_that_cannot_be_loaded_stops_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await worker_with_state()

    async def load(digests: object) -> None:
        raise PermanentFailure("This release cannot read the rule set.")

    monkeypatch.setattr(worker.rule_sets, "load", load)
    other = compile_rule_set({"features.yaml": FEATURES, "test/counted.yaml": RULE % 7})
    await worker.process(switch(2, other.digest), payment(3), partition=0)
    assert worker.stage.stopped.numbers == {0}
    await worker.process(payment(2), partition=1)
    await worker.settle()
    saved = len(worker.changelog.records[0])
    await worker.checkpoint(0)
    assert len(worker.changelog.records[0]) == saved, "nothing of it is saved"


async def test_labels_that_retention_deleted_are_counted_and_the_others_forwarded() -> None:
    worker = Worker(partitioner="any")
    assert worker.stage.labels is not None
    worker.stage.labels.resume({0: 3})
    worker.labels.first[0] = 7
    assert await worker.stage.labels.forward(0, batch(label(7, "e1"))) == 1
    assert worker.observer.labels_missing == [4]
    assert worker.labels.sought == []


def test_a_partition_fault_is_permanent() -> None:
    """Wherever it is not caught, the worker ends with its sentence, and no supervisor restarts it in a loop."""
    assert issubclass(PartitionFault, PermanentFailure)
