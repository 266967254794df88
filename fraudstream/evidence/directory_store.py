"""Files in a directory, which several processes may share.

    <root>/<first two digits>/<digest>   the bytes of a file
    <root>/incoming/<random>             a file that is being taken

A file is written under a random name, made durable, and renamed to its digest: so under a digest there is a whole file
or none. No name that anybody chooses is ever part of a path. To take a file again writes it again, so that its time is
new, and damaged bytes are replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from fraudstream.evidence.store import (
    DamagedFileError,
    EmptyFileError,
    FileTooLargeError,
    NoFileError,
    StoredFile,
)

INCOMING: Final = "incoming"
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NS_PER_MS: Final = 1_000_000


class IncomingFileInDirectory:
    """A file that is being taken: see `store.IncomingFile`."""

    def __init__(self, root: Path, temporary: Path, file: BinaryIO, bytes_max: int) -> None:
        self._root, self._temporary, self._file, self._bytes_max = root, temporary, file, bytes_max
        self._digest, self._size_bytes = hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises `FileTooLargeError`."""
        if self._size_bytes + len(data) > self._bytes_max:
            raise FileTooLargeError(self._bytes_max)
        self._size_bytes += len(data)
        self._digest.update(data)
        self._file.write(data)

    def keep(self) -> StoredFile:
        """Returns once the whole file is durable under its digest. Raises `EmptyFileError`."""
        if not self._size_bytes:
            raise EmptyFileError
        self._file.flush()
        os.fsync(self._file.fileno())
        sha256 = self._digest.hexdigest()
        path = path_of(self._root, sha256)
        path.parent.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        self._temporary.replace(path)
        _sync_directory(path.parent)
        _sync_directory(self._root)
        return StoredFile(sha256, self._size_bytes)


class DirectoryStore:
    """The store in `root`, which is made when the first file is taken. See `store.EvidenceStore`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def incoming(self, bytes_max: int) -> Iterator[IncomingFileInDirectory]:
        """A new file of at most `bytes_max` bytes. What was not kept by the end of the context is gone."""
        temporary = self._incoming_path()
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb") as file:
            try:
                yield IncomingFileInDirectory(self._root, temporary, file, bytes_max)
            finally:
                temporary.unlink(missing_ok=True)

    def read(self, sha256: str) -> bytes:
        """The bytes of a file, whose digest they have. Raises `NoFileError`, `DamagedFileError`."""
        if _DIGEST.fullmatch(sha256) is None:
            raise NoFileError(sha256[:64])
        try:
            content = path_of(self._root, sha256).read_bytes()
        except FileNotFoundError:
            raise NoFileError(sha256) from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DamagedFileError(sha256)
        return content

    def held(self) -> dict[str, int]:
        """The digests of all files, and when each was last taken, ms since the epoch, UTC."""
        found: dict[str, int] = {}
        for path in self._root.glob("??/*"):
            with suppress(FileNotFoundError):  # removed since
                if _DIGEST.fullmatch(path.name) is not None:
                    found[path.name] = path.stat().st_mtime_ns // _NS_PER_MS
        return found

    def remove(self, digests: Iterable[str], taken_before_ms: int | None = None) -> int:
        """Remove files; how many there were. `taken_before_ms`: leave one that was taken later, or again."""
        return sum(self._remove(path_of(self._root, sha256), taken_before_ms) for sha256 in digests)

    def remove_abandoned(self, taken_before_ms: int) -> int:
        """Remove what a killed process was taking, if it began before that time; how many there were."""
        removed = 0
        for path in (self._root / INCOMING).glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime_ns // _NS_PER_MS < taken_before_ms:
                    path.unlink()
                    removed += 1
        return removed

    def _incoming_path(self) -> Path:
        """A new name in the directory of what is on its way; the directory is there then."""
        self._root.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        directory = self._root / INCOMING
        directory.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        return directory / secrets.token_hex(16)

    def _remove(self, path: Path, taken_before_ms: int | None) -> bool:
        """The file is moved away before its time is read, so that one that is taken at this moment is not lost."""
        if not path.exists():
            return False
        away = self._incoming_path()
        try:
            path.rename(away)
        except FileNotFoundError:
            return False
        if taken_before_ms is not None and away.stat().st_mtime_ns // _NS_PER_MS >= taken_before_ms:
            away.rename(path)
            return False
        away.unlink()
        return True


def path_of(root: Path, sha256: str) -> Path:
    """Where the file of a digest is."""
    assert _DIGEST.fullmatch(sha256) is not None, f"no digest: {sha256[:80]!r}"
    return root / sha256[:2] / sha256


def _sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
