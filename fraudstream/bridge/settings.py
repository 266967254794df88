"""Settings of a bridge."""

from __future__ import annotations

from typing import Literal

import msgspec

from fraudstream.engine.partitioners import Partitioner
from fraudstream.kafka import Brokers
from fraudstream.kafka.compression import DEFAULT_CODEC, Codec


class BridgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a bridge.

    `source_topic`: of the bank's messages. `transactional`: payments and position in one transaction; else, on a broker
    without transactions, one after the other. `partitioner`: declared for all publishers of payments.
    `letter_values`: whether dead letters hold the messages.
    """

    brokers: Brokers
    source_topic: str
    group: str = "fraudstream-bridge"
    payments_topic: str = "payments"
    dead_letters_topic: str = "dead-letters"
    transactional: bool = True
    partitioner: Partitioner | Literal["any"] = "murmur2"
    codec: Codec = DEFAULT_CODEC
    fetch_wait_ms: int = 500
    session_timeout_s: float = 10.0
    letter_values: bool = True
