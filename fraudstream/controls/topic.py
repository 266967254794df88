"""The settings with which the topic `controls` is read and written."""

from __future__ import annotations

from typing import Final, NamedTuple

from fraudstream.contracts.record_signature import SigningSecrets
from fraudstream.kafka import Brokers

RECORD_BYTES_MAX: Final = 8 * 1024 * 1024  # as topics.yaml allows on `controls`: a rule set is one record


class ControlsTopic(NamedTuple):
    """The topic `name` of a cluster.

    `fetch_wait_ms`: how long a broker may wait for data before it answers a fetch. `idempotent`: whether producers are
    idempotent; off in checkpoint mode `batch`, as a broker for that mode need not support it.
    `secrets`: sign what is written to logs; None: nothing is signed. Records of the topic itself are never signed.
    """

    brokers: Brokers
    name: str = "controls"
    fetch_wait_ms: int = 500
    idempotent: bool = True
    secrets: SigningSecrets | None = None
