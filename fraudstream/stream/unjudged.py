"""Answers to records that cannot be judged: a decision with the outcome `unjudged` beside the dead letter.

A payment system that waits for the decision on such a record gets one. Labels and controls expect no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from fraudstream.contracts.dead_letter import KEY_BYTES_KEPT
from fraudstream.contracts.decision import UnjudgedDecision
from fraudstream.contracts.headers import (
    CONTROL_HEADER,
    LABEL_HEADER,
    record_header,
    source_header,
    version_header,
)
from fraudstream.engine.columns import Rejection
from fraudstream.engine.partial_event import read_partially

if TYPE_CHECKING:
    from fraudstream.contracts.log_record import LogRecord
    from fraudstream.kafka.record_batch.outgoing import OutgoingRecord
    from fraudstream.stream.settings import StreamSettings

UNJUDGED = "unjudged"  # the outcome, in metrics

_encode = msgspec.json.Encoder().encode


class UnjudgedAnswers:
    """Makes the answers of one stage."""

    def __init__(self, settings: StreamSettings) -> None:
        self._topic, self._keyed_by_account = settings.input_topic, settings.stage_is_first
        self._decides, self._version = settings.next_stage is None, settings.state_version

    def answers(
        self, partition: int, records: Sequence[LogRecord], refused: Sequence[Rejection]
    ) -> Iterator[tuple[int, OutgoingRecord]]:
        """Index and answer of each refused record that is neither a label nor a control, in the order of `refused`.

        `partition`: of the stage's input. A rejection's `position` is an index into `records`.
        """
        for rejection in refused:
            record = records[rejection.position]
            if expects_answer(record):
                key, value = unjudged(record, rejection, self._keyed_by_account)
                yield rejection.position, (key, value, self._headers(partition, record.offset))

    def _headers(self, partition: int, offset: int) -> list[tuple[str, bytes]]:
        headers = unjudged_headers(self._topic, partition, offset, self._decides)
        return [*headers, version_header(self._version)] if self._version > 1 else headers


def expects_answer(record: LogRecord) -> bool:
    """Whether the record is meant to be a payment."""
    return LABEL_HEADER not in record.headers and CONTROL_HEADER not in record.headers


def unjudged_headers(topic: str, partition: int, offset: int, decides: bool) -> list[tuple[str, bytes]]:
    """The headers of an answer to a record of `topic`. `decides`: whether the stage does, that is, whether the other
    decisions have the offsets of this log as their source."""
    source = [source_header(partition, offset)] if decides else []
    return [*source, record_header(topic, partition, offset)]


def unjudged(record: LogRecord, rejection: Rejection, keyed_by_account: bool) -> tuple[bytes | None, bytes]:
    """Key and value of the answer to a refused record.

    The key is the record's own, or the account that could be read if it has none. A key longer than 4 KiB counts as
    none: it is no account's, and the answer must fit into a record. `keyed_by_account`: whether the records of this log
    are: the keys of a later stage's log are of another entity, and mean nothing to publishers.
    """
    event = read_partially(record.value)
    account = None if event.account_id is None else event.account_id.encode()
    key = record.key if record.key is not None and len(record.key) <= KEY_BYTES_KEPT else None
    own, other = (key, account) if keyed_by_account else (account, key)
    decision = UnjudgedDecision(
        reason=rejection.reason,
        sentence=rejection.sentence,
        event_id=event.event_id,
        account_id=event.account_id,
        occurred_at_ms=event.occurred_at_ms,
        path=rejection.path,
    )
    return own if own is not None else other, _encode(decision)
