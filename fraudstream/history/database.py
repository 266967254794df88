"""DuckDB over the files of the store: a query names tables, days and values, and has a time limit.

The files of a query are those that the manifest names when it begins. A writer may remove one of them in between,
after a merge: the query then begins again, once, with the manifest as it is.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from fraudstream.history.errors import HistoryError
from fraudstream.history.manifest import MANIFEST, Manifest, load
from fraudstream.history.query_limit import QueryLimit
from fraudstream.history.tables import SCHEMAS, TABLES, TableName

MEMORY: Final = "512MB"
THREADS: Final = 2


class HistoryTimeoutError(HistoryError):
    """The answer took longer than the caller wanted to wait."""


class Database:
    """The store at `root`, read by any number of threads. It reads nothing but the store's files."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._connection = duckdb.connect(
            config={
                "memory_limit": MEMORY,
                "threads": THREADS,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._connection.execute("SET parquet_metadata_cache = true")
        for table, schema in SCHEMAS.items():  # where a table has no file, it is empty
            self._connection.register("nothing", schema.empty_table())
            self._connection.execute(f"CREATE TABLE no_{table} AS SELECT * FROM nothing")
        self._connection.execute(f"SET allowed_directories = ['{_quoted(self.root)}']")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        self._running: set[QueryLimit] = set()
        self._is_stopped = False
        self._known: tuple[tuple[int, int], Manifest] | None = None

    def interrupt(self) -> None:
        """Make running queries, and all later ones, fail, so that no thread keeps the process from ending."""
        self._is_stopped = True
        for limit in list(self._running):
            limit.interrupt()

    def close(self) -> None:
        """Close the database; running queries fail."""
        self._connection.close()

    def manifest(self) -> Manifest:
        """The manifest as it is now; an empty one if there is no store yet. Raises `HistoryError`."""
        try:
            found = (self.root / MANIFEST).stat()
        except OSError:
            return Manifest()
        version = (found.st_ino, found.st_mtime_ns)
        if self._known is None or self._known[0] != version:
            self._known = (version, load(self.root) or Manifest())
        return self._known[1]

    def last_day(self, table: TableName) -> int:
        """The newest day of a table, in days since the epoch; -1 if the table is empty. Raises `HistoryError`."""
        return max((file.day for file in self.manifest().files if file.table == table), default=-1)

    def query(
        self,
        sql: str,
        values: Mapping[str, Any],
        days: Container[int],
        limit_s: float,
        lists: Mapping[str, Sequence[object]] | None = None,
    ) -> list[tuple[Any, ...]]:
        """The rows that `sql` finds. It names tables in braces, `{payments}`, and values as `$name`.

        `days`: of the files that are read, in days since the epoch. `lists`: by name, values to stand for `{name}`
        behind IN, one at least: as values of their own, so that DuckDB leaves out parts of files that have none of
        them. Raises `HistoryTimeoutError` after `limit_s` seconds, and `HistoryError`.
        """
        names = {
            name: ", ".join(f"${name}_{number}" for number in range(len(each))) for name, each in (lists or {}).items()
        }
        for name, listed in names.items():
            sql = sql.replace(f"{{{name}}}", f"({listed})")
        values = {
            **values,
            **{f"{name}_{number}": value for name, each in (lists or {}).items() for number, value in enumerate(each)},
        }
        try:
            try:
                return self._rows(sql, values, days, limit_s)
            except duckdb.IOException:  # a file was merged away
                self._known = None
                return self._rows(sql, values, days, limit_s)
        except duckdb.Error as error:
            raise HistoryError(f"the history in {self.root} cannot be read: {error}") from error

    def _rows(self, sql: str, values: Mapping[str, Any], days: Container[int], limit_s: float) -> list[tuple[Any, ...]]:
        manifest = self.manifest()
        tables: dict[str, str] = {
            table: self._source(manifest, table, days) for table in TABLES if f"{{{table}}}" in sql
        }
        cursor = self._connection.cursor()
        limit = QueryLimit(cursor, limit_s)
        self._running.add(limit)
        try:
            if self._is_stopped:  # asked once `interrupt` knows of the query
                raise duckdb.InterruptException
            with limit:
                return cursor.execute(sql.format_map(tables), dict(values)).fetchall()
        except duckdb.InterruptException:
            if self._is_stopped:
                raise HistoryError(f"the history in {self.root} is no longer read.") from None
            raise HistoryTimeoutError(f"the history has not answered within {limit_s:g} s.") from None
        finally:
            self._running.discard(limit)
            cursor.close()

    def _source(self, manifest: Manifest, table: TableName, days: Container[int]) -> str:
        """The files of a table as SQL."""
        paths = [str(file.path(self.root)) for file in manifest.files if file.table == table and file.day in days]
        if not paths:
            return f"no_{table}"
        listed = ", ".join(f"'{_quoted(path)}'" for path in paths)
        return f"read_parquet([{listed}], hive_partitioning = false)"


def _quoted(path: object) -> str:
    return str(path).replace("'", "''")
