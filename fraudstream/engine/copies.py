"""How a worker marks its copies of misplaced records, and tells them from what a publisher has marked so.

The header of a copy is `repartitioned: PARTITION:OFFSET:MAC`: where the record was, and a code over this, the key and
the value under a key that is derived from the deployment's secret (`engine.identifier_key`). A publisher does not have
the secret. A header that does not hold the record's own code is ignored, so a forged one changes no verdict.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from fraudstream.contracts.headers import REPARTITIONED_HEADER
from fraudstream.contracts.log_record import KeyedRecord
from fraudstream.engine.digest import DigestKey

_MAC_BYTES: Final = 16
_PURPOSE: Final = b"fraudstream:copy"
# Numbers are short enough for a signed 64-bit integer, however many digits a publisher sends.
_MARK: Final = re.compile(rb"([0-9]{1,9}(?:-v[0-9]{1,9})?):([0-9]{1,18}):([0-9a-f]{32})")


class CopySource(NamedTuple):
    """Of which record another is a copy. `partition`: its number as text; with the state version behind it that made
    the copy, as each version copies its own part of a log: `3`, `3-v2`."""

    partition: str
    offset: int


class CopyMarks:
    """Makes and checks the marks of one deployment. `key`: its digest key."""

    def __init__(self, key: DigestKey) -> None:
        secret = b"".join(half.to_bytes(8, "little") for half in key)
        self._key = blake2b(_PURPOSE, key=secret).digest()

    def header(self, partition: int, offset: int, state_version: int, record: KeyedRecord) -> tuple[str, bytes]:
        """The header of a copy of `record`, which is at this place in its log. `state_version`: that copies it."""
        name = f"{partition}-v{state_version}" if state_version > 1 else str(partition)
        source = CopySource(name, offset)
        return REPARTITIONED_HEADER, f"{name}:{offset}:{self._mac(source, record)}".encode()

    def source(self, record: KeyedRecord) -> CopySource | None:
        """Where the record was of which this is a copy; None if no worker of the deployment has made it."""
        found = _MARK.fullmatch(dict(record.headers).get(REPARTITIONED_HEADER, b""))
        if found is None:
            return None
        source = CopySource(found[1].decode(), int(found[2]))
        return source if hmac.compare_digest(found[3], self._mac(source, record).encode()) else None

    def _mac(self, source: CopySource, record: KeyedRecord) -> str:
        key, value = record.key or b"", record.value or b""
        head = b"%s:%d:%d:" % (source.partition.encode(), source.offset, len(key))
        return blake2b(head + key + value, key=self._key, digest_size=_MAC_BYTES).hexdigest()


def says_copy(headers: Sequence[tuple[str, bytes]]) -> bool:
    """Whether a record says that it is a copy, which it need not be."""
    return any(name == REPARTITIONED_HEADER for name, _ in headers)
