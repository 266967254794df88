"""The store of files: whole or not there, under the digest of their bytes, and nowhere else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from fraudstream.evidence.directory_store import INCOMING, DirectoryStore, path_of
from fraudstream.evidence.store import DamagedFileError, EmptyFileError, FileTooLargeError, NoFileError, StoredFile

CONTENT = b"a bank statement"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "evidence")


def take(store: DirectoryStore, *pieces: bytes, bytes_max: int = 100) -> StoredFile:
    with store.incoming(bytes_max) as file:
        for piece in pieces:
            file.write(piece)
        return file.keep()


def files_in(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


def age(path: Path, at_ms: int) -> None:
    os.utime(path, ns=(at_ms * 1_000_000, at_ms * 1_000_000))


def test_a_file_is_read_as_it_was_taken(store: DirectoryStore, tmp_path: Path) -> None:
    assert take(store, CONTENT[:5], CONTENT[5:]) == StoredFile(DIGEST, len(CONTENT))
    assert store.read(DIGEST) == CONTENT
    assert take(store, CONTENT).sha256 == DIGEST
    assert files_in(tmp_path) == [DIGEST]
    assert path_of(tmp_path / "evidence", DIGEST).stat().st_mode & 0o077 == 0  # nobody else's to read


def test_what_is_too_large_leaves_nothing(store: DirectoryStore, tmp_path: Path) -> None:
    take(store, b"x" * 100)
    with pytest.raises(FileTooLargeError, match="more than 100 bytes"):
        take(store, b"x" * 100, b"x")
    assert len(files_in(tmp_path)) == 1


def test_what_is_empty_or_given_up_leaves_nothing(store: DirectoryStore, tmp_path: Path) -> None:
    with pytest.raises(EmptyFileError):
        take(store)
    with store.incoming(100) as file:
        file.write(CONTENT)
    assert files_in(tmp_path) == []


def test_damaged_bytes_are_not_given_out_and_are_replaced_when_the_file_comes_again(
    store: DirectoryStore, tmp_path: Path
) -> None:
    take(store, CONTENT)
    path_of(tmp_path / "evidence", DIGEST).write_bytes(b"another statement")
    with pytest.raises(DamagedFileError, match=DIGEST):
        store.read(DIGEST)
    take(store, CONTENT)
    assert store.read(DIGEST) == CONTENT


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "", "a" * 63, "A" * 64, "a" * 64 + "\n", "a" * 64])
def test_only_the_digest_of_a_file_leads_to_one(store: DirectoryStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    take(store, CONTENT)
    with pytest.raises(NoFileError):
        store.read(name)


def test_files_are_removed_unless_they_were_taken_again_since(store: DirectoryStore, tmp_path: Path) -> None:
    old, new = take(store, b"old").sha256, take(store, b"new").sha256
    for digest, at_ms in ((old, 1_000), (new, 5_000)):
        age(path_of(tmp_path / "evidence", digest), at_ms)
    assert store.held() == {old: 1_000, new: 5_000}
    assert store.remove([old, new, "f" * 64], taken_before_ms=5_000) == 1
    assert store.held() == {new: 5_000}
    assert store.remove([new]) == 1
    assert files_in(tmp_path) == []


def test_what_a_killed_process_was_taking_is_removed_later(store: DirectoryStore, tmp_path: Path) -> None:
    take(store, CONTENT)
    left = tmp_path / "evidence" / INCOMING / "left"
    left.write_bytes(b"half a file")
    age(left, 1_000)
    assert store.remove_abandoned(1_000) == 0
    assert store.remove_abandoned(1_001) == 1
    assert files_in(tmp_path) == [DIGEST]


def test_a_store_without_a_directory_is_empty(store: DirectoryStore, tmp_path: Path) -> None:
    assert store.held() == {}
    assert store.remove([DIGEST]) == store.remove_abandoned(10) == 0
    with pytest.raises(NoFileError):
        store.read(DIGEST)
    assert list(tmp_path.iterdir()) == []
