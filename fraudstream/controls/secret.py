"""The identifier secret that the topic `controls` keeps, for a deployment that was not given one.

The worker that finds none makes one:

    1. read `controls`: it holds no secret
    2. a new secret ──► controls, acknowledged
    3. read again, and take the first secret that is there

Several workers may be at 2 at once. All of them then read the same first record, for records are never put before one
that was acknowledged, and compaction keeps it, because each secret has a key of its own.
"""

from __future__ import annotations

import secrets
from typing import Final

from fraudstream.contracts.control import StoredIdentifierSecret
from fraudstream.controls.reader import read_first_secret
from fraudstream.controls.topic import ControlsTopic
from fraudstream.controls.writer import keep

_PARTITION: Final = 0
_BYTES: Final = 16


async def read_secret(topic: ControlsTopic) -> bytes | None:
    """The secret that `controls` keeps; None if it keeps none. Raises `NoTopicError`, `StalledError`, `KafkaError`."""
    record = await read_first_secret(topic)
    return None if record is None else bytes.fromhex(record.secret)


async def read_or_make_secret(topic: ControlsTopic) -> bytes:
    """The secret that `controls` keeps, made if it keeps none. Raises as `read_secret`."""
    secret = await read_secret(topic)
    return secret if secret is not None else await keep_secret(topic, secrets.token_bytes(_BYTES))


async def keep_secret(topic: ControlsTopic, secret: bytes) -> bytes:
    """Write `secret` to `controls`. Returns the one that counts: another one if a worker wrote its secret earlier.

    Raises as `read_secret`.
    """
    await keep(topic, [StoredIdentifierSecret(secret.hex())], _PARTITION)
    first = await read_secret(topic)
    assert first is not None, f"'{topic.name}' does not hold the identifier secret that was written to it"
    return first
