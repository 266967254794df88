"""What the partitions of a deployment have learned for its evidence score, from the changelog or from a state export.

Workers may run meanwhile: each partition is read as of its last checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fraudstream.engine.learned_score.score_state import ScoreState
from fraudstream.engine.learned_score.scorer import EvidenceScorer
from fraudstream.engine.learned_score.scoring import new_score_state
from fraudstream.engine.packed_records import PackedRecords, pack_pairs
from fraudstream.engine.partition_state import score_records
from fraudstream.operations.errors import OperationError
from fraudstream.operations.state_export import NoCheckpointError, UnsuitableClusterError
from fraudstream.operations.state_files import read_manifest, rows_of
from fraudstream.stream.checkpoints.changelog import ChangelogRestorer
from fraudstream.stream.checkpoints.changelog_reader import ChangelogReader, changelog_reader
from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import look_once


class OtherScoreError(OperationError):
    """The state in `source` has the layout `found`, that of the rules is `expected`: their counts mean other things."""

    def __init__(self, source: str, expected: Collection[str], found: str) -> None:
        super().__init__(
            f"{source} was learned under other features or another score (layout {found}, under these rules "
            f"{' or '.join(expected)}). Give the rules that decide with --rules."
        )
        self.source, self.expected, self.found = source, tuple(expected), found


class _ScoreRecords:
    """The last record of each key of the score among the rows that a reader restores; other rows are passed over."""

    def __init__(self) -> None:
        self._found: dict[bytes, bytes] = {}

    def restore_packed(self, records: PackedRecords) -> None:
        """Take rows."""
        self._found.update(score_records(records))

    def state(self, scorer: EvidenceScorer) -> ScoreState:
        """What they come to; without a record, what the score begins with."""
        state = new_score_state(scorer)
        for key, value in self._found.items():
            state.restore(key, value)
        state.restored()
        return state


async def learned_in_changelog(
    settings: StreamSettings, scorer: EvidenceScorer, layouts: Collection[str]
) -> list[ScoreState]:
    """The state of each partition of the stage that decides, by its changelog.

    `settings`: of that stage; `layouts`: that its state may have under the rules of `scorer`. Raises
    `UnsuitableClusterError`, `NoCheckpointError`, `OtherScoreError`, and what aiokafka raises.
    """
    try:
        cluster = await look_once(settings)
        async with changelog_reader(settings) as reader:
            partitions = range(cluster.partitions[settings.changelog_topic])
            return [await _of_partition(reader, number, scorer, layouts) for number in partitions]
    except PermanentFailure as failure:
        raise UnsuitableClusterError(failure.sentence) from failure


async def _of_partition(
    reader: ChangelogReader, number: int, scorer: EvidenceScorer, layouts: Collection[str]
) -> ScoreState:
    topic, found = reader.settings.changelog_topic, _ScoreRecords()
    restorer = ChangelogRestorer(found, reader.settings.checkpoint_mode)
    async for records in reader.records(number):
        restorer.feed(records)
    if restorer.checkpoint is None:
        raise NoCheckpointError(topic, number)
    if restorer.checkpoint.layout not in layouts:
        raise OtherScoreError(f"{topic}-{number}", layouts, restorer.checkpoint.layout)
    return found.state(scorer)


def learned_in_export(directory: Path, scorer: EvidenceScorer, layouts: Collection[str]) -> list[ScoreState]:
    """The state of each partition in a state export. Parameters as of `learned_in_changelog`. Raises `ExportError`,
    `OtherScoreError`."""
    manifest = read_manifest(directory)
    if manifest.layout not in layouts:
        raise OtherScoreError(str(directory), layouts, manifest.layout)
    states = []
    for partition in manifest.partitions:
        found = _ScoreRecords()
        for rows in rows_of(directory / partition.file):
            found.restore_packed(pack_pairs(rows))
        states.append(found.state(scorer))
    return states
