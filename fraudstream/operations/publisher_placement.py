"""Which partitioner the publishers of payments use, found by the newest records of each partition of their topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from fraudstream.contracts.headers import CONTROL_HEADER, REPARTITIONED_HEADER
from fraudstream.engine.partitioners import Partitioner, partitions_for
from fraudstream.kafka import Brokers
from fraudstream.kafka.topic_reader import TopicReader

SAMPLE_RECORDS: Final = 1_000  # of each partition
SAMPLE_RECORDS_MAX: Final = 50_000  # of the topic
READ_S_MAX: Final = 15.0


class PublisherPlacement(msgspec.Struct, frozen=True):
    """`records`: sampled, of `partitions` partitions of `topic`. `misplaced`: those whose key belongs elsewhere under
    `partitioner`, the declared one. `fitting`: by partitioner, how many are where it puts them. `fewer_partitions`: a
    partition count below the present one under which every misplaced record was in place; None if there is none."""

    topic: str
    partitions: int
    partitioner: Partitioner
    records: int
    misplaced: int
    fitting: dict[Partitioner, int]
    fewer_partitions: int | None

    def __str__(self) -> str:
        """A sentence for a person."""
        if not self.misplaced:
            return (
                f"{self.topic}: the newest {self.records:,} records are in the partitions that {self.partitioner} "
                "gives their keys."
            )
        fits = ", ".join(f"{name} {count / self.records:.0%}" for name, count in self.fitting.items())
        return (
            f"{self.topic}: {self.misplaced:,} of the newest {self.records:,} records are not in the partition that "
            f"{self.partitioner} gives their key, so accounts are split (in place under: {fits}). {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        if self.fewer_partitions is not None:
            return (
                f"They were published when the topic had {self.fewer_partitions} partitions: added partitions move "
                "accounts away from their history. See docs/runbook.md, FraudstreamMisplacedRecords."
            )
        used = max(self.fitting, key=lambda name: self.fitting[name])
        if self.fitting[used] == self.records:
            return f"All publishers use {used}: set publishers.partitioner to it."
        return "Give all publishers one partitioner (librdkafka: partitioner=murmur2_random)."


async def sample_placement(brokers: Brokers, topic: str, partitioner: Partitioner) -> PublisherPlacement | None:
    """Compare the newest records of each partition of `topic` with their keys. None if there is no record with a key.

    Controls and copies of misplaced records do not count. Raises `NoTopicError`, `StalledError`, aiokafka's errors.
    """
    keys: list[bytes] = []
    found_in: list[int] = []
    async with TopicReader(
        brokers, committed_only=False, client_id="fraudstream-placement", limit_s=READ_S_MAX
    ) as reader:
        numbers = await reader.partitions(topic)
        extents = await reader.extents(topic, numbers)
        each = max(1, min(SAMPLE_RECORDS, SAMPLE_RECORDS_MAX // len(numbers)))
        for number, (begin, end) in extents.items():
            async for records in reader.forward(topic, number, max(begin, end - each), end):
                placed = [r.key for r in records if r.key is not None and not _is_ours(r.headers)]
                keys += placed
                found_in += [number] * len(placed)
    return _placement(topic, len(numbers), partitioner, keys, np.array(found_in, np.int64)) if keys else None


def _is_ours(headers: Sequence[tuple[str, bytes]]) -> bool:
    return CONTROL_HEADER in headers or any(name == REPARTITIONED_HEADER for name, _ in headers)


def _placement(
    topic: str, partitions: int, partitioner: Partitioner, keys: Sequence[bytes], found_in: npt.NDArray[np.int64]
) -> PublisherPlacement:
    """`found_in`: the partition of each of `keys`; int64, shape (n,)."""
    misplaced = np.flatnonzero(partitions_for(keys, partitions, partitioner) != found_in)
    stray, where = [keys[i] for i in misplaced.tolist()], found_in[misplaced]
    fewer = (n for n in range(partitions - 1, 0, -1) if np.all(partitions_for(stray, n, partitioner) == where))
    return PublisherPlacement(
        topic=topic,
        partitions=partitions,
        partitioner=partitioner,
        records=len(keys),
        misplaced=len(misplaced),
        fitting={
            name: int(np.count_nonzero(partitions_for(keys, partitions, name) == found_in))
            for name in get_args(Partitioner)
        },
        fewer_partitions=next(fewer, None) if len(misplaced) else None,
    )
