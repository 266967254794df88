"""A dead letter: a record that could not be judged, with the reason and its bytes, on the topic `dead-letters`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec

VALUE_BYTES_KEPT: Final = 512 * 1024
KEY_BYTES_KEPT: Final = 4 * 1024
HEADERS_BYTES_KEPT: Final = 32 * 1024  # with base64 all three still fit one record of Kafka's default size

ReasonCode = Literal[
    "not_json",  # the bytes are no JSON text, or no UTF-8
    "invalid",  # a field is missing, of the wrong type or out of its range
    "amount",  # not a decimal amount of its currency
    "currency",  # not in ISO 4217
    "occurred_at",  # outside 1970 to 2199, or in seconds
    "too_far_ahead",  # occurred_at lies further after the time of publication than clocks may differ
    "too_large",  # longer than a record may be
    "key",  # the record's key is not its account_id
    "control",  # a rule-set switch or list entry that can't be read, or names a rule set that can't be used
]


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """`reason` for machines, `sentence` for people, `path` to the fault (`$.amount`).

    `value`, `key` and header values are the original bytes (base64 in JSON). `topic`, `partition`, `offset` and
    `timestamp_ms` say where the record stood. `value_bytes`: its length; a `value` longer than 512 KiB is cut there
    (the whole record still stands at its position).
    """

    reason: ReasonCode
    sentence: str
    path: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    value: bytes
    value_bytes: int
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    schema_version: int = 1


class Record(Protocol):
    """What a dead letter is made of; aiokafka's `ConsumerRecord` fits."""

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


def dead_letter(record: Record, topic: str, partition: int, reason: ReasonCode, sentence: str, path: str) -> DeadLetter:
    """The dead letter of a record, and where that stands. Keys longer than 4 KiB are cut and headers over 32 KiB in all
    left out, and the sentence says so."""
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
        topic=topic,
        partition=partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        value=value[:VALUE_BYTES_KEPT],
        value_bytes=len(value),
        key=key,
        headers=headers,
    )
