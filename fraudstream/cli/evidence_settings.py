"""[evidence]: files of cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure

if TYPE_CHECKING:
    from fraudstream.evidence.directory_store import DirectoryStore


class EvidenceSettings(msgspec.Struct, frozen=True):
    """[evidence]"""

    directory: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="directory of the files of cases, shared by all consoles; without one, no file can be added"),
    ] = None
    file_bytes_max: Annotated[
        int, Meta(ge=1, le=200_000_000, description="largest file that can be added to a case, in bytes")
    ] = 10_000_000

    def store(self) -> DirectoryStore | None:
        """The store of the directory, which is made with the first file; None if none is set."""
        from fraudstream.evidence.directory_store import DirectoryStore

        return None if self.directory is None else DirectoryStore(Path(self.directory))

    def required_store(self) -> DirectoryStore:
        """The same. Raises `Failure` if no directory is set."""
        if (store := self.store()) is None:
            raise Failure("files have no directory: set evidence.directory to the one that the consoles have.")
        return store
