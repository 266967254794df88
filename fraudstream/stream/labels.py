"""Labels that were published to their own topic are forwarded into the payments log, which alone decides verdicts.

They are forwarded unchanged, keyed by account, with the header `type: label`, and signed if this deployment requires
it: the ACL of the labels topic says who may publish labels. Invalid ones become dead letters where
labels are applied. Offsets are committed to the group once a batch is forwarded, so labels are forwarded at least once:
a repeated label changes nothing. Faust must not commit them: after a rebalance its offsets have gaps, and it stops at a
gap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from fraudstream.contracts.headers import LABEL_HEADER, TYPE_HEADER
from fraudstream.contracts.record_signature import SIGNATURE_HEADER, SigningSecrets
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.record_batch.outgoing import OutgoingRecord, pack_records
from fraudstream.stream.outputs import Output

if TYPE_CHECKING:
    from fraudstream.stream.ports import OffsetCommits
    from fraudstream.stream.record_batch import RecordBatch

COMMIT_S_MAX = 2.0

log = logging.getLogger(__name__)


class SeeksLabels(Protocol):
    """The part of `ports.InputLog` that labels need."""

    async def seek(self, partition: int, offset: int) -> None:
        """Continue fetching at `offset`."""

    async def earliest(self, partition: int) -> int:
        """The offset of the first record that retention has kept."""


class ObservesLabels(Protocol):
    """The part of `StageObserver` that labels need."""

    def on_labels_forwarded(self, records: int) -> None:
        """`records` records were forwarded."""

    def on_labels_missing(self, records: int) -> None:
        """`records` records were deleted before they were forwarded."""


class _Account(msgspec.Struct):
    account_id: str


_decode = msgspec.json.Decoder(_Account).decode


class LabelForwarder:
    """Forwards the batches of this worker's partitions of the labels topic, one after the other."""

    def __init__(
        self,
        *,
        topic: str,
        payments: Output,
        label_log: SeeksLabels,
        commits: OffsetCommits,
        observer: ObservesLabels,
        secrets: SigningSecrets | None = None,
    ) -> None:
        """`topic`: the labels topic, for log messages. `payments`: the payments log. `secrets`: sign the labels."""
        self._secrets = secrets
        self._topic, self._payments = topic, payments
        self._label_log, self._commits, self._observer = label_log, commits, observer
        self._next: dict[int, int] = {}

    def resume(self, offsets: Mapping[int, int]) -> None:
        """Replace the owned partitions; `offsets`: the next offset of each."""
        self._next = dict(offsets)

    async def forward(self, number: int, batch: RecordBatch) -> int:
        """Forward a batch, wait until it is acknowledged, commit; returns how many records were forwarded.

        A rebalance may drop a batch: one that begins beyond the next offset is not forwarded, and fetching seeks back.
        Raises the error of a send that failed; a commit that failed is only logged.
        """
        count = await self._forward(number, batch)
        self._observer.on_labels_forwarded(count)
        return count

    async def _forward(self, number: int, batch: RecordBatch) -> int:
        expected = self._next.get(number)
        if expected is None or batch.next <= expected:
            return 0
        if batch.first > expected and (earliest := await self._label_log.earliest(number)) > expected:
            self._skip_deleted(number, expected, earliest)
            expected = earliest
        if batch.first > expected:
            log.info("%s-%d: seeking back from %d to %d", self._topic, number, batch.first, expected)
            await self._label_log.seek(number, expected)
            return 0
        records: list[OutgoingRecord] = [
            (
                _key(record.key, record.value),
                record.value or b"",
                self._headers(record.headers, record.value or b""),
            )
            for record in batch.records.since(expected)
        ]
        await asyncio.gather(*self._payments.send(None, pack_records(records, int(time.time() * 1000))))
        if number in self._next:
            self._next[number] = max(self._next[number], batch.next)
        await self._commit(number, batch.next)
        return len(records)

    def _headers(self, headers: Sequence[tuple[str, bytes]], value: bytes) -> list[tuple[str, bytes]]:
        """The headers of a forwarded label: signed here, as who may write to the labels topic may publish labels."""
        if self._secrets is None:
            return [*(header for header in headers if header[0] != TYPE_HEADER), LABEL_HEADER]
        kept = (header for header in headers if header[0] not in (TYPE_HEADER, SIGNATURE_HEADER))
        return [*kept, LABEL_HEADER, self._secrets.header(value)]

    def _skip_deleted(self, number: int, first: int, earliest: int) -> None:
        """Log that retention has deleted labels, and continue after them."""
        log.error(
            "%s-%d: retention deleted the labels %d to %d before they were forwarded: publish them again, and give the "
            "topic a longer retention",
            self._topic,
            number,
            first,
            earliest - 1,
        )
        self._observer.on_labels_missing(earliest - first)
        self._next[number] = earliest

    async def _commit(self, number: int, offset: int) -> None:
        """Commit, so that the next owner continues after the batch. If this fails, it forwards the batch again."""
        try:
            async with asyncio.timeout(COMMIT_S_MAX):
                await self._commits.commit({number: offset})
        except Exception as error:
            log.warning(
                "%s-%d: offsets of forwarded labels were not committed: %s",
                self._topic,
                number,
                kafka_error_text(error),
            )


def _key(key: bytes | None, value: bytes | None) -> bytes | None:
    if key is not None:
        return key
    try:
        return _decode(value or b"").account_id.encode()
    except UNDECODABLE:
        return None
