"""Publishers with librdkafka's default partitioner beside Java's: each payment is judged once, with its whole history.

Method: payments of each account are written alternately to the partition that each partitioner gives the account. The
rule's message counts the payments of an account, so a count that is missing or repeated shows a split history. All
payments occur at one moment: a copy arrives after payments that were published after it, and a payment counts only
those that occurred before it or with it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.contracts.headers import REPARTITIONED_HEADER
from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.operations.dead_letter_corrections import unchanged
from fraudstream.operations.dead_letter_replay import replay
from fraudstream.operations.dead_letters import DeadLetterLog
from fraudstream.stream.observer import JudgedBatch, Unobserved
from tests.brokers import on_both_brokers
from tests.integration.stream.cluster import PARTITIONS, StreamCluster
from tests.integration.stream.payments import START_MS, assert_counted_once, fraud_label, payment

ACCOUNTS = [f"mix-{n}" for n in range(20)]
EACH = 4


class RecordedMisplaced(Unobserved):
    """How many misplaced records were reported, by policy."""

    def __init__(self) -> None:
        self.records: dict[str, int] = defaultdict(int)

    def on_misplaced(self, partition: int, *, records: int, policy: str) -> None:
        if records:
            self.records[policy] += records


class RecordedLabels(Unobserved):
    """How many labels were applied, and how many of them found no payment."""

    def __init__(self) -> None:
        self.labels = self.unmatched = 0

    def on_batch(self, partition: int, batch: JudgedBatch) -> None:
        self.labels += batch.labels
        self.unmatched += sum(batch.labels_unmatched.values())


def partition_of(account: str, partitioner: Partitioner) -> int:
    return int(partitions_for([account.encode()], PARTITIONS, partitioner)[0])


MISPLACED = [a for a in ACCOUNTS if partition_of(a, "murmur2") != partition_of(a, "consistent_random")]


async def publish_mixed(cluster: StreamCluster, rounds: Iterable[int]) -> None:
    """One payment of each account a round: even rounds by CRC-32, odd ones by murmur2."""
    async with AIOKafkaProducer(bootstrap_servers=cluster.broker) as producer:
        for each in rounds:
            partitioner: Partitioner = "murmur2" if each % 2 else "consistent_random"
            for n, account in enumerate(ACCOUNTS):
                topic, value = (
                    cluster.settings.payments_topic,
                    payment(each * len(ACCOUNTS) + n, account, occurred_at=START_MS),
                )
                await producer.send_and_wait(topic, value, account.encode(), partition_of(account, partitioner))


def with_settings(cluster: StreamCluster, **settings: object) -> None:
    cluster.settings = msgspec.structs.replace(cluster.settings, **settings)


@on_both_brokers
async def test_each_account_is_judged_once_with_its_whole_history(cluster: StreamCluster) -> None:
    await publish_mixed(cluster, range(EACH))
    total, observer = len(ACCOUNTS) * EACH, RecordedMisplaced()
    async with cluster.worker(observer):
        decisions = await cluster.decisions(total)
        assert_counted_once(await cluster.alerts(total - len(ACCOUNTS)), total)
    assert len(decisions) == total
    assert observer.records == {"repartition": len(MISPLACED) * EACH // 2}


@on_both_brokers
async def test_the_verdict_on_a_copy_is_explained_byte_for_byte(cluster: StreamCluster) -> None:
    """It follows from the log of the partition where the copy is."""
    await publish_mixed(cluster, range(2))
    async with cluster.worker():
        await cluster.decisions(2 * len(ACCOUNTS))
    copied = MISPLACED[0]
    words = ["explain", "--event", f"e{ACCOUNTS.index(copied)}", "--account", copied, *cluster.flags()]
    command = [sys.executable, "-m", "fraudstream.cli.main", *words]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "is the same as was sent, byte for byte" in done.stdout
    assert f"of {cluster.settings.payments_topic}-{partition_of(copied, 'murmur2')}" in done.stdout


@on_both_brokers
async def test_crashes_repeat_copies_and_no_payment_counts_twice(cluster: StreamCluster) -> None:
    """Each worker is killed before a checkpoint, so its successor copies the same records again."""
    with_settings(cluster, checkpoint_s=3600.0)
    for first in (0, 1, 2):
        await publish_mixed(cluster, [first])
        process = cluster.start_process(f"killed-{first}", {"worker.checkpoint_interval_s": "3600"})
        await cluster.decisions(len(ACCOUNTS) * (first + 1))
        process.kill()
    await publish_mixed(cluster, [3])
    total = len(ACCOUNTS) * EACH
    async with cluster.worker():
        await cluster.decisions(total)
        assert_counted_once(await cluster.alerts(total - len(ACCOUNTS)), total)
    records = await cluster.records(cluster.settings.payments_topic, lambda found: len(found) >= total)
    copies = [dict(record.headers)[REPARTITIONED_HEADER] for record in records if record.headers]
    assert len(copies) > len(set(copies)), "no copy was repeated: this run proves nothing"


@on_both_brokers
async def test_reject_names_the_setting_of_the_clients(cluster: StreamCluster) -> None:
    with_settings(cluster, misplaced="reject")
    await publish_mixed(cluster, [0])
    async with cluster.worker():
        letters = await cluster.dead_letters(len(MISPLACED))
        await cluster.decisions(len(ACCOUNTS) - len(MISPLACED))
    assert {letter.reason for letter in letters} == {"partition"}
    assert all("partitioner=murmur2_random" in letter.sentence for letter in letters)


@on_both_brokers
async def test_rejected_records_are_replayed_to_the_partition_of_their_key(cluster: StreamCluster) -> None:
    with_settings(cluster, misplaced="reject")
    await publish_mixed(cluster, [0])
    letters = DeadLetterLog(cluster.brokers, cluster.settings.dead_letters_topic)
    async with cluster.worker():
        await cluster.dead_letters(len(MISPLACED))
        result = await replay(cluster.brokers, letters.topic, letters.letters(), unchanged, by="ann")
        await cluster.decisions(len(ACCOUNTS))
    assert (result.replayed, result.skipped) == (len(MISPLACED), [])


@on_both_brokers
async def test_the_declared_partitioner_may_be_librdkafkas_default(cluster: StreamCluster) -> None:
    with_settings(cluster, partitioner="consistent_random", misplaced="reject")
    await publish_mixed(cluster, [0])
    observer = RecordedMisplaced()
    async with cluster.worker(observer):
        await cluster.decisions(len(ACCOUNTS))
    assert observer.records == {}


@on_both_brokers
async def test_labels_find_payments_of_the_declared_partitioner(cluster: StreamCluster) -> None:
    """Labels are forwarded to where that partitioner puts their account, so none is misplaced itself."""
    with_settings(cluster, partitioner="consistent_random", misplaced="reject")
    await publish_mixed(cluster, [0])
    assert cluster.settings.labels_topic is not None
    labels = [(a.encode(), fraud_label(n, a)) for n, a in enumerate(ACCOUNTS)]
    observer = RecordedLabels()
    async with cluster.worker(observer):
        await cluster.decisions(len(ACCOUNTS))
        await cluster.publish_records(labels, cluster.settings.labels_topic)
        async with asyncio.timeout(30):
            while observer.labels < len(ACCOUNTS):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert observer.unmatched == 0
