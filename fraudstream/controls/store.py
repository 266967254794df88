"""The topic `controls` as one object, for repeated reads and writes, as by a worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fraudstream.contracts.control import Stored
from fraudstream.controls import reader, writer
from fraudstream.controls.reader import Controls
from fraudstream.controls.topic import ControlsTopic


class ControlsStore:
    """Reads and writes one topic. Methods raise as the functions of the same name in `reader` and `writer`."""

    def __init__(self, topic: ControlsTopic) -> None:
        self._topic = topic

    @property
    def name(self) -> str:
        """Name of the topic, for messages."""
        return self._topic.name

    async def read_controls(self) -> Controls:
        """Everything that the topic holds now, without artefacts."""
        return await reader.read_controls(self._topic)

    async def read_artefacts(self, digests: Iterable[str]) -> dict[str, bytes]:
        """Those of these artefacts that the topic holds, by digest, verified."""
        return await reader.read_artefacts(self._topic, digests)

    async def keep(self, records: Sequence[Stored]) -> None:
        """Write records to the topic and wait until they are durable."""
        await writer.keep(self._topic, records)
