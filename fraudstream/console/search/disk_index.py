"""The index in its directory: opened where it was left, or made anew, and written by one thread.

An index of another format, a damaged one, and one that was last written too long ago are thrown away, with a line in
the log. Since the position of the log is a document of the index, a commit holds both or neither.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import msgspec
from tantivy import Index, IndexWriter

from fraudstream.console.search.committed_cases import CommittedCases
from fraudstream.console.search.entry import CaseEntry
from fraudstream.console.search.schema import (
    FORMAT,
    LOG_POSITION,
    LogPosition,
    document_of,
    new_schema,
    position_document,
)
from fraudstream.contracts.error_text import error_text

WRITER_BYTES: Final = 64_000_000
OLD_MS: Final = 12 * 3600 * 1000  # an older index may have missed deletions: their records leave the topic after 24 h
_LOCK: Final = "case-index.lock"
_DIRECTORY: Final = "case-index"

log = logging.getLogger(__name__)

Changes = Mapping[str, CaseEntry | None]  # by case id; None: the case has been deleted


class IndexInUseError(Exception):
    """Another process writes the index."""


class _UnusableIndexError(Exception):
    """The index that was found cannot be used; the message says why."""


@dataclass(frozen=True)
class _Open:
    """An open index with its writer, which holds a lock in the directory until it is let go."""

    index: Index
    writer: IndexWriter


class DiskIndex:
    """The index below `directory`, which is made if it is missing. `now_ms`: the clock, ms since the epoch, UTC.

    `committed`, `position`: the cases of the last commit, and up to where it had read the topic. `rebuild`: begin with
    an empty index. Raises `IndexInUseError`, `OSError`.
    """

    def __init__(self, directory: Path, now_ms: Callable[[], int], *, rebuild: bool = False) -> None:
        self._path, self._now_ms = directory / _DIRECTORY, now_ms
        self._schema = new_schema()
        self._open: _Open | None = None
        self.position: LogPosition | None = None
        self.committed: CommittedCases
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(directory / _LOCK)
        if rebuild or not self._found():
            self.clear()

    def clear(self) -> None:
        """Begin with an empty index. Raises `ValueError`, `OSError`."""
        if self._open is not None:
            self._open.writer.wait_merging_threads()  # which would write into the new index
        self._open = None
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(mode=0o700, exist_ok=True)
        self._use(Index(self._schema, path=str(self._path), reuse=False))
        self.position = None

    def commit(self, changes: Changes, topic_id: str, offsets: Mapping[int, int]) -> None:
        """Make changes durable and visible, with the position up to which the topic has been read. Raises `ValueError`,
        `OSError`; the index is then as after the last commit."""
        position = LogPosition(topic_id, dict(offsets), FORMAT, self._now_ms())
        writer = self._opened().writer
        try:
            for case_id, entry in changes.items():
                writer.delete_documents_by_term("case_id", case_id)
                if entry is not None:
                    writer.add_json(document_of(entry))
            writer.delete_documents_by_term("kind", LOG_POSITION)
            writer.add_json(position_document(position))
            writer.commit()
        except (ValueError, OSError):
            # The writer has what was not committed, or has ended. It must go, so that another can be made, although the
            # error refers to this frame.
            del writer
            self._open = None
            raise
        committed = self._reloaded(self._opened().index)
        committed.carry(self.committed, changes)
        self.position, self.committed = position, committed

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self._path.iterdir())

    def close(self) -> None:
        """Let go of the directory."""
        self._open = None
        self._lock.close()

    def _found(self) -> bool:
        """Open the index that is there, if it can be used."""
        if not (self._path / "meta.json").exists():
            return False
        try:
            index, position = self._checked()
        except _UnusableIndexError as reason:
            log.warning("the index of cases in %s is built anew: %s", self._path, reason)
            return False
        self._use(index)
        self.position = position
        return True

    def _checked(self) -> tuple[Index, LogPosition]:
        """The index that is there. Raises `_UnusableIndexError`."""
        try:
            index = Index.open(str(self._path))
            committed = CommittedCases(index.searcher(), index.schema)
            position = committed.position()
            if position is not None and position.format == FORMAT:
                committed.check()
        except (ValueError, KeyError, OSError, msgspec.MsgspecError) as error:
            raise _UnusableIndexError(f"it is damaged ({error_text(error)})") from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # of Tantivy's Rust code, which has no other name here
                raise
            raise _UnusableIndexError(f"it is damaged ({error})") from error
        if position is None or position.format != FORMAT:
            raise _UnusableIndexError("another build has written it")
        if self._now_ms() - position.at_ms > OLD_MS:
            raise _UnusableIndexError(f"it was last written more than {OLD_MS // 3_600_000} hours ago")
        return index, position

    def _use(self, index: Index) -> None:
        self._open = _Open(index, index.writer(WRITER_BYTES, 1))
        self.committed = self._reloaded(index)

    def _reloaded(self, index: Index) -> CommittedCases:
        index.reload()
        return CommittedCases(index.searcher(), self._schema)

    def _opened(self) -> _Open:
        """The open index; opened again after a failed commit."""
        if self._open is None:
            self._use(Index.open(str(self._path)))
        assert self._open is not None
        return self._open


def committed_in(directory: Path) -> CommittedCases | None:
    """The committed cases of the index below `directory`, to read beside the console that writes it; None if there is
    no index. Raises `ValueError` if it cannot be read."""
    path = directory / _DIRECTORY
    if not (path / "meta.json").exists():
        return None
    index = Index.open(str(path))
    return CommittedCases(index.searcher(), index.schema)


def _locked(path: Path) -> IO[bytes]:
    """The file of a lock that this process holds until it is closed. Raises `IndexInUseError`."""
    lock = open(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "wb")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise IndexInUseError(f"another console writes the index in {path.parent}") from None
    return lock
