"""Which state version decides each partition of the payments: the one in use, or one that it was cut over to.

version 1   ────decides────────► switch            its last checkpoint names version 2
version 2        ┈┈backfilling┈┈► switch ──decides──►
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import msgspec

from fraudstream.kafka.partitions import topics_of
from fraudstream.stream.checkpoints.checkpoint_record import CheckpointRecord
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from fraudstream.stream.settings import StreamSettings, version_suffix

VERSIONS_MAX: Final = 20  # looked at in each direction

Checkpoints = Mapping[int, CheckpointRecord | None]  # of one version, by partition; None where there is none


class DecidingVersion(NamedTuple):
    """`state_version` decides a partition from the switch at `from_offset` on, None: from its first record on.

    `checkpoint`: its last one there; None if no worker has written one. `reached`: false while its workers have not
    read as far as the switch that cut over to it. `backfilling`: a later version that is being backfilled, if any.
    """

    state_version: int
    checkpoint: CheckpointRecord | None
    from_offset: int | None = None
    reached: bool = True
    backfilling: int | None = None


async def deciding_versions(first: StreamSettings) -> dict[int, DecidingVersion]:
    """The version that decides each partition of the payments, by the workers' last checkpoints.

    `first`: the settings of the first stage, of any state version. Raises `NoTopicError` if that version has no state.
    """
    versions: dict[int, Checkpoints] = {first.state_version: await last_checkpoints(first)}
    topics = await topics_of(first.brokers)
    for step in (-1, 1):
        version = first.state_version + step
        while 1 <= version <= first.state_version + VERSIONS_MAX:
            checkpoints = await _checkpoints_of(first, version, topics)
            if checkpoints is None:
                break
            versions[version] = checkpoints
            version += step
    return {partition: deciding(versions, partition) for partition in sorted(versions[first.state_version])}


async def _checkpoints_of(first: StreamSettings, version: int, topics: Collection[str]) -> Checkpoints | None:
    """The last checkpoints of another version's first stage; None if it has no state.

    That stage has another name if the stages had another form. `topics`: all of the cluster.
    """
    pattern = rf"{re.escape(first.group)}-(\w+){version_suffix(version)}-state-changelog"
    names = [match[1] for topic in topics if (match := re.fullmatch(pattern, topic))]
    for name in sorted(names, key=lambda name: (name != first.stage, name)):
        found = await last_checkpoints(msgspec.structs.replace(first, stage=name, state_version=version))
        read = {checkpoint.input_topic for checkpoint in found.values() if checkpoint is not None}
        if name == first.stage or first.input_topic in read:
            return found
    return None


def deciding(versions: Mapping[int, Checkpoints], partition: int) -> DecidingVersion:
    """The version that decides one partition. `versions`: the checkpoints of each."""
    of_version = {version: checkpoints.get(partition) for version, checkpoints in sorted(versions.items())}
    from_offset, backfilling = None, None
    version = next((v for v, found in of_version.items() if found is None or not found.backfilling), min(of_version))
    while (found := of_version.get(version)) is not None and found.cut_over_to is not None:
        version, from_offset = found.cut_over_to, found.next_offset - 1  # the switch is the last record before it
    checkpoint = of_version.get(version)
    later = [v for v, other in of_version.items() if v > version and other is not None and other.backfilling]
    if later:
        backfilling = later[0]
    reached = checkpoint is not None and not checkpoint.backfilling
    return DecidingVersion(version, checkpoint, from_offset, reached or from_offset is None, backfilling)
