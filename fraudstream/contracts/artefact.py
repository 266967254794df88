"""Binary artefacts on the topic `controls`: split into records of bounded size, and put together again.

content ──artefact_parts──► StoredArtefact 0 … count - 1 ──artefact_content──► content, or None
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from fraudstream.contracts.control import StoredArtefact

PART_BYTES_MAX: Final = 512 * 1024  # 700 KiB as a JSON record; records of `controls` may have 8 MiB


def artefact_digest(content: bytes) -> str:
    """BLAKE2b-256 of the bytes, 64 hex digits.

    >>> artefact_digest(b"")[:16]
    '0e5751c026e543b2'
    """
    return blake2b(content, digest_size=32).hexdigest()


def artefact_parts(content: bytes) -> list[StoredArtefact]:
    """The records that hold an artefact, in order; an empty one is one empty part."""
    digest = artefact_digest(content)
    count = max(1, -(-len(content) // PART_BYTES_MAX))
    return [
        StoredArtefact(digest, index, count, content[index * PART_BYTES_MAX : (index + 1) * PART_BYTES_MAX])
        for index in range(count)
    ]


def artefact_content(parts: Iterable[StoredArtefact]) -> bytes | None:
    """The bytes of one artefact from its parts, in any order, a later one in place of an earlier one of the same index.

    None if a part is missing, or if the bytes are not those of the digest.
    """
    digest, count, contents = "", 0, dict[int, bytes]()
    for part in parts:
        digest, count = part.artefact, part.count
        contents[part.index] = part.content
    if count == 0 or any(index not in contents for index in range(count)):
        return None
    content = b"".join(contents[index] for index in range(count))
    return content if artefact_digest(content) == digest else None
