"""The end of a query that takes too long, or whose reader is stopped.

DuckDB forgets an interrupt that comes before the query has begun to run. So a query is interrupted again and again,
until it has ended.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final

import duckdb

AGAIN_S: Final = 0.05


class QueryLimit:
    """A context in which a query of `cursor` runs. It is interrupted after `limit_s` seconds, or by `interrupt`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, limit_s: float) -> None:
        self._cursor, self._limit_s = cursor, limit_s
        self._due, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="query-limit", daemon=True)

    def interrupt(self) -> None:
        """End the query now. Returns at once."""
        self._due.set()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Returns once nothing interrupts the cursor any more: it may be closed then."""
        self._ended.set()
        self._due.set()
        self._thread.join()

    def _watch(self) -> None:
        self._due.wait(self._limit_s)
        while not self._ended.is_set():
            self._cursor.interrupt()
            self._ended.wait(AGAIN_S)
