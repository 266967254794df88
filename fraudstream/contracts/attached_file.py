"""Files of a case: what its record says of each. The bytes are in the evidence store, under their digest."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fraudstream.contracts.fields import Identifier, Sha256

FileName = Annotated[
    str,
    Meta(min_length=1, max_length=200, description="As its sender calls it: any text, to be shown and never a path."),
]
MediaType = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$",
        description="As its sender states it: nothing is decided by it.",
    ),
]
FileSize = Annotated[int, Meta(ge=1, description="Size in bytes.")]


class FileDescription(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that is added to a case. `sha256`: of its bytes, by which the evidence store has them."""

    sha256: Sha256
    file_name: FileName
    size_bytes: FileSize
    media_type: MediaType = "application/octet-stream"


class AttachedFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a case: its `FileDescription`, and who has added it when (ms since the epoch, UTC, as the action states
    it)."""

    sha256: Sha256
    file_name: FileName
    size_bytes: FileSize
    media_type: MediaType
    attached_by: Identifier
    attached_at_ms: int
