"""A dead letter: a record that could not be processed, with the reason and its bytes; topic `dead-letters`."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from fraudstream.contracts.log_record import LogRecord

VALUE_BYTES_KEPT: Final = 512 * 1024
KEY_BYTES_KEPT: Final = 4 * 1024
HEADERS_BYTES_KEPT: Final = 32 * 1024  # base64-encoded, all three fit in a record of Kafka's default maximum size

ReasonCode = Literal[
    "not_json",  # the bytes are not valid JSON or not valid UTF-8
    "invalid",  # a field is missing, of the wrong type or out of its range
    "amount",  # not a decimal amount of its currency
    "currency",  # not in ISO 4217
    "occurred_at",  # outside 1970 to 2199, or given in seconds
    "too_far_ahead",  # occurred_at or labelled_at is later than publication by more than the tolerated clock skew
    "too_large",  # larger than the maximum record size
    "key",  # the record key differs from account_id
    "partition",  # the record is not in the partition where its key belongs
    "format",  # not a message of the format that a bridge reads: not well-formed XML, a bitmap that ends too early
    "notice_answer",  # an answer to a notice that its case refuses; the sentence begins with a code
    "webhook",  # a webhook that an endpoint has not taken for a long time; `value` is its body
    "control",  # a rule-set switch or list entry that can't be decoded, or names a rule set that can't be used
    "signature",  # a control or a label without the signature that the deployment requires
]


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """`reason`: code for programs; `sentence`: explanation for people; `path`: where the fault is: a
    JSON path (`$.amount`), of a bank's message also an XPath or a data element (`DE4`).

    `value`, `key` and header values are the original bytes (base64 in JSON). `topic`, `partition`, `offset` and
    `timestamp_ms` identify the original record. `value_bytes`: length of the original value; a `value` longer than
    512 KiB is truncated here (the complete record is still in the log at its offset).
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


def dead_letter(
    record: LogRecord, topic: str, partition: int, reason: ReasonCode, sentence: str, path: str
) -> DeadLetter:
    """The dead letter for `record` of `topic` and `partition`.

    A value longer than 512 KiB is truncated. A key longer than 4 KiB is truncated and headers of more than 32 KiB in
    total are omitted; `sentence` then says so.
    """
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
