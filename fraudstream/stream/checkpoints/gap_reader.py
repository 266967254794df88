"""Reads accepted gaps from the changelog of a running stage: the port `AcceptedGaps`."""

from __future__ import annotations

from collections.abc import Mapping

from fraudstream.stream.checkpoints.changelog import AcceptedGap, accepted_gaps
from fraudstream.stream.checkpoints.changelog_reader import changelog_reader
from fraudstream.stream.settings import StreamSettings


class GapReader:
    """Of one stage. Connects at each call: it is called only while a partition is stopped."""

    def __init__(self, settings: StreamSettings) -> None:
        """`settings`: of the stage."""
        self._settings = settings

    async def accepted(self, partition: int, begin: int) -> tuple[Mapping[int, AcceptedGap], int]:
        """See `AcceptedGaps.accepted`."""
        found: dict[int, AcceptedGap] = {}
        async with changelog_reader(self._settings) as reader:
            end = await reader.end(partition)
            if begin < end:
                async for records in reader.tail(partition, begin, end):
                    found |= accepted_gaps(records)
        return found, max(begin, end)
