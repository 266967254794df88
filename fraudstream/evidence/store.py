"""What a store of files does, and the errors it raises. `directory_store` is one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol


class FileError(Exception):
    """A file cannot be taken or given. `sentence`: why, for people."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class FileTooLargeError(FileError):
    """The file has more than `bytes_max` bytes. Nothing of it is kept."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"The file has more than {bytes_max:,} bytes: that is the limit (evidence.file_bytes_max).")
        self.bytes_max = bytes_max


class EmptyFileError(FileError):
    """The file has no bytes."""

    def __init__(self) -> None:
        super().__init__("The file is empty.")


class NoFileError(FileError):
    """The store has no file of this digest."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"The store has no file with the digest {sha256}.")


class DamagedFileError(FileError):
    """The bytes that the store has do not have this digest. They are not given out."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"The bytes stored as {sha256} have another digest: restore the file from a backup.")


class TooSlowError(FileError):
    """The file did not come within the time that there is for it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The file did not come within {seconds:g} s.")


class StoreFailedError(FileError):
    """The store cannot be read or written. `reason`: why, for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__("Files cannot be stored or read at this moment. Try again.")
        self.reason = reason


class StoredFile(NamedTuple):
    """A file that the store has."""

    sha256: str
    size_bytes: int


class IncomingFile(Protocol):
    """A file that is being taken. Its methods block, and raise `OSError` if the store cannot be written."""

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises `FileTooLargeError`."""

    def keep(self) -> StoredFile:
        """Returns once the whole file is durable under its digest. Raises `EmptyFileError`."""


class EvidenceStore(Protocol):
    """Files by digest. Methods block, and raise `OSError` if the store cannot be used."""

    def incoming(self, bytes_max: int) -> AbstractContextManager[IncomingFile]:
        """A new file of at most `bytes_max` bytes. What was not kept by the end of the context is gone."""

    def read(self, sha256: str) -> bytes:
        """The bytes of a file, whose digest they have. Raises `NoFileError`, `DamagedFileError`."""

    def held(self) -> dict[str, int]:
        """The digests of all files, and when each was last taken, ms since the epoch, UTC."""

    def remove(self, digests: Iterable[str], taken_before_ms: int | None = None) -> int:
        """Remove files; how many there were. `taken_before_ms`: leave one that was taken later, or again."""

    def remove_abandoned(self, taken_before_ms: int) -> int:
        """Remove what a killed process was taking, if it began before that time; how many there were."""
