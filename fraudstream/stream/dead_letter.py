"""From a record that could not be judged to its dead letter: the reason, the original bytes, the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from fraudstream.contracts import DeadLetter
from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.stream.outputs import Outgoing, source_header

VALUE_BYTES_KEPT = 512 * 1024
KEY_BYTES_KEPT = 4 * 1024
HEADERS_BYTES_KEPT = 32 * 1024  # with base64 all three still fit one record of Kafka's default size

_encode = msgspec.json.Encoder().encode


class Record(Protocol):
    """What a dead letter is made of; aiokafka's `ConsumerRecord` fits."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def dead_letter(record: Record, reason: ReasonCode, sentence: str, path: str) -> DeadLetter:
    """Keys longer than 4 KiB are cut and headers over 32 KiB in all left out, and the sentence says so."""
    value, key = record.value or b"", record.key
    headers = tuple((name, value or b"") for name, value in record.headers)
    if key is not None and len(key) > KEY_BYTES_KEPT:
        sentence += f" The key, of {len(key)} bytes, is cut to {KEY_BYTES_KEPT}."
        key = key[:KEY_BYTES_KEPT]
    if (size := sum(len(name) + len(value) for name, value in headers)) > HEADERS_BYTES_KEPT:
        sentence += f" Its {len(headers)} headers, of {size} bytes, are left out."
        headers = ()
    return DeadLetter(
        reason=reason,
        sentence=sentence,
        path=path,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        value=value[:VALUE_BYTES_KEPT],
        value_bytes=len(value),
        key=key,
        headers=headers,
    )


def outgoing(letter: DeadLetter) -> Outgoing:
    """The dead letter as a record, under the key of the record it holds."""
    return letter.key, _encode(letter), [source_header(letter.partition, letter.offset)]
