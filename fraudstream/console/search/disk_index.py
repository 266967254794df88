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
from fraudstream.console.search.seen_ids import SeenIds
from fraudstream.contracts.error_text import error_text

WRITER_BYTES: Final = 64_000_000  # of a segment before it is written: some 90,000 cases, which takes a second
OLD_MS: Final = 12 * 3600 * 1000  # an older index may have missed deletions: their records leave the topic after 24 h
_LOCK: Final = "case-index.lock"
_DIRECTORY: Final = "case-index"

log = logging.getLogger(__name__)

Changes = Mapping[str, CaseEntry | None]  # by case id; None: the case has been deleted
Documents = Mapping[str, str | None]  # those of `document_of` by case id; None: the case has been deleted


class IndexInUseError(Exception):
    """Another process writes the index."""


class IndexWriteError(OSError):
    """The index cannot be written; the message says why."""


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
        self._seen: SeenIds | None = None  # every id that has been added; None: not known
        self._has_added = False
        self._failure = ""  # because of which documents that were added are lost, and a commit would leave them out
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
        self.rewind()
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(mode=0o700, exist_ok=True)
        self._use(Index(self._schema, path=str(self._path), reuse=False))
        self.position, self._seen = None, SeenIds()

    def add(self, documents: Documents) -> None:
        """Make documents part of the next commit. Raises `IndexWriteError`: `rewind` is then due."""
        self._write(documents, None)

    def commit(self, changes: Changes, topic_id: str, offsets: Mapping[int, int]) -> None:
        """Make changes durable and visible, after the documents that were added, with the position up to which the
        topic has been read. Raises `IndexWriteError`: the index is then as after the last commit, and if documents had
        been added, `rewind` is due."""
        position = LogPosition(topic_id, dict(offsets), FORMAT, self._now_ms())
        documents = {case_id: None if entry is None else document_of(entry) for case_id, entry in changes.items()}
        self._write(documents, position)
        committed = self._reloaded(self._opened().index)
        if not self._has_added:  # else `changes` are not all that has changed
            committed.carry(self.committed, changes)
        self._has_added = False
        self.position, self.committed = position, committed

    def rewind(self) -> None:
        """Go back to the last commit: documents that have been added since are lost."""
        self._open, self._has_added, self._failure = None, False, ""

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self._path.iterdir())

    def close(self) -> None:
        """Let go of the directory."""
        self._open = None
        self._lock.close()

    def _write(self, documents: Documents, position: LogPosition | None) -> None:
        """Add documents, and commit them if there is a position. Raises `IndexWriteError`."""
        if self._failure:
            raise IndexWriteError(self._failure)
        self._has_added |= position is None
        writer: IndexWriter | None = None
        try:
            writer = self._opened().writer
            for case_id, document in documents.items():
                if self._may_have(case_id):  # a deletion is looked up in each segment
                    writer.delete_documents_by_term("case_id", case_id)
                if document is not None:
                    writer.add_json(document)
            if position is not None:
                writer.delete_documents_by_term("kind", LOG_POSITION)
                writer.add_json(position_document(position))
                writer.commit()
        except (ValueError, OSError) as error:  # Tantivy's errors are ValueErrors
            # The writer has what was not committed, or has ended. It must go, so that another can be made, although the
            # error refers to this frame.
            del writer
            self._open = None
            if self._has_added:
                self._failure = error_text(error)
            raise IndexWriteError(error_text(error)) from error

    def _may_have(self, case_id: str) -> bool:
        return self._seen is None or self._seen.see(case_id)

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
        try:
            index.reload()
        except ValueError as error:
            raise IndexWriteError(error_text(error)) from error
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
