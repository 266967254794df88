"""Removes an account from the store: its rows from every file, with a record that it was done.

Only the writer changes a store. So a request is a file in the store's directory; whoever holds the store open carries
it out: the running writer, or else the command that was asked to erase. Rows of other accounts that name this one as
their counterparty are theirs, and stay.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraudstream.history.files import read_file
from fraudstream.history.manifest import DataFile, Erasure, sync_directory
from fraudstream.history.store import HistoryStore

REQUESTS: Final = "erasures"


class ErasureRequest(msgspec.Struct, frozen=True):
    """`request_id`: names the request, and its record. `actor`: who asked for it. `pseudonym`: what the record calls
    the account; None: a digest of its id, which who knows all ids can turn back."""

    request_id: str
    account_id: str
    actor: str
    pseudonym: str | None = None


def new_request(account_id: str, actor: str, pseudonym: str | None = None) -> ErasureRequest:
    """A request to erase an account."""
    return ErasureRequest(uuid4().hex, account_id, actor, pseudonym)


def put_request(root: Path, request: ErasureRequest) -> Path:
    """Ask the writer of the store at `root`; returns the file, which is removed once it is done. Raises `OSError`."""
    directory = root / REQUESTS
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / f"{request.request_id}.json"
    temporary = path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(request))
    os.replace(temporary, path)
    sync_directory(directory)
    return path


def erase_requested(store: HistoryStore, now_ms: int) -> list[Erasure]:
    """Carry out all requests of the store. Rows that are not committed are left as they are: commit first."""
    done = []
    for path in sorted((store.root / REQUESTS).glob("*.json")):
        request = msgspec.json.decode(path.read_bytes(), type=ErasureRequest)
        done.append(erase(store, request, now_ms))
        path.unlink()
    return done


def erase(store: HistoryStore, request: ErasureRequest, now_ms: int) -> Erasure:
    """Remove the account's rows. `now_ms`: the clock. A request that was carried out already is not repeated."""
    for erasure in store.manifest.erasures:
        if erasure.request_id == request.request_id:
            return erasure
    replaced: list[tuple[DataFile, pa.Table]] = []
    rows: dict[str, int] = {}
    for file in store.manifest.files:
        if not _rows_of(store.root, file, request.account_id):
            continue
        whole = read_file(store.root, file)
        kept = whole.filter(pc.not_equal(whole["account_id"], request.account_id))
        replaced.append((file, kept))
        rows[file.table] = rows.get(file.table, 0) + len(whole) - len(kept)
    name = request.pseudonym or digest_of(request.account_id)
    erasure = Erasure(request.request_id, name, now_ms, request.actor, rows)
    store.rewrite(replaced, erasure)
    return erasure


def rows_of_account(root: Path, files: Sequence[DataFile], account_id: str) -> dict[str, int]:
    """How many rows of an account each table has in `files`; tables without any are left out."""
    rows: dict[str, int] = {}
    for file in files:
        if count := _rows_of(root, file, account_id):
            rows[file.table] = rows.get(file.table, 0) + count
    return rows


def digest_of(account_id: str) -> str:
    """What the record of an erasure keeps of the account: SHA-256 of its id, in hex."""
    return hashlib.sha256(account_id.encode()).hexdigest()


def _rows_of(root: Path, file: DataFile, account_id: str) -> int:
    """Reads only the row groups whose range of accounts includes this one."""
    found = pq.read_table(
        file.path(root), columns=["account_id"], filters=[("account_id", "=", account_id)], partitioning=None
    )
    return len(found)
