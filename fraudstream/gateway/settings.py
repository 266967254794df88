"""The settings of a gateway. `fraudstream gateway` fills them in from the command line's settings."""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal

import msgspec

from fraudstream.engine.partitioners import Partitioner
from fraudstream.kafka import Brokers

DEADLINE_MS_MIN: Final = 1
_ORDINAL: Final = re.compile(r"-([0-9]{1,5})$")


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`instance`: name of this gateway, the same after a restart: it determines the partition of `replies_topic` in
    which it waits for answers. `partitioner`: of the publishers of payments.

    `deadline_ms`: unless the caller names another, up to `deadline_ms_max`. `in_flight_max`: payments that wait for
    their decisions at once, and that wait to be published. `body_bytes_max`, `batch_payments_max`: of a request.
    `kept_s`, `kept_max`: how long, and how many, decisions that came after their deadline are kept for a later
    question; of the others as many are kept.
    """

    brokers: Brokers
    instance: str
    payments_topic: str = "payments"
    replies_topic: str = "replies"
    partitioner: Partitioner | Literal["any"] = "murmur2"
    host: str = "127.0.0.1"
    port: int = 8470
    tls_certificate_file: str | None = None
    tls_key_file: str | None = None
    client_ca_file: str | None = None
    require_client_certificate: bool = False
    deadline_ms: int = 250
    deadline_ms_max: int = 10_000
    in_flight_max: int = 2_000
    body_bytes_max: int = 1024 * 1024
    batch_payments_max: int = 500
    kept_s: int = 900
    kept_max: int = 100_000
    drain_s: int = 10


def reply_partition(instance: str, partitions: int) -> int:
    """The partition of the topic of replies that a gateway reads, of so many.

    A name that ends in a number, as a StatefulSet gives them, has the partition of that number: neighbours have
    partitions of their own. Gateways that share one are right all the same, and read each other's answers.

    >>> reply_partition("gateway-3", 16), reply_partition("gateway-19", 16), reply_partition("host-a:8470", 16)
    (3, 3, 8)
    """
    if found := _ORDINAL.search(instance):
        return int(found[1]) % partitions
    return zlib.crc32(instance.encode()) % partitions
