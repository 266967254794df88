"""A dead letter: a record that could not be judged, with the reason and its bytes, on the topic `dead-letters`."""

from __future__ import annotations

from typing import Literal

import msgspec

ReasonCode = Literal[
    "not_json",  # the bytes are no JSON text, or no UTF-8
    "invalid",  # a field is missing, of the wrong type or out of its range
    "amount",  # not a decimal amount of its currency
    "currency",  # not in ISO 4217
    "occurred_at",  # outside 1970 to 2199
    "too_far_ahead",  # occurred_at lies further after the time of publication than clocks may differ
    "too_large",  # longer than a record may be
    "key",  # the record's key is not its account_id
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
