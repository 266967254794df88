"""Backups of the state on a schedule: each an export in a directory of its own, verified, of which the newest are kept.

    ROOT/2026-03-04T120000Z/              an export (of several stages, one in a directory for each)
    ROOT/2026-03-04T120000Z/backup.json   written last: a directory without it is not a backup

Nothing is renamed, so that ROOT may be a mounted bucket. Directories with other names are left alone.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from fraudstream.contracts.error_text import system_error_text
from fraudstream.contracts.timestamps import utc
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.operations.state_export import export_state
from fraudstream.operations.state_files import ExportError, Manifest, read_manifest
from fraudstream.stream.settings import StreamSettings

MARKER: Final = "backup.json"
INCOMPLETE_S: Final = 86_400.0  # an older directory without its marker belongs to no running backup
_TIME: Final = "%Y-%m-%dT%H%M%SZ"
_NAME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")


class _Marker(msgspec.Struct, frozen=True):
    """Of a complete backup. `stages`: its exports; "" for the only one, which is in the directory itself."""

    stages: tuple[str, ...]


class Backup(msgspec.Struct, frozen=True):
    """A backup that was made and verified. `removed`: the names of the older ones that made way for it."""

    directory: str
    rows: int
    size: int
    seconds: float
    removed: tuple[str, ...]


async def back_up_state(stages: Sequence[StreamSettings], root: Path, *, keep: int, at_ms: int) -> Backup:
    """Export the state of all stages into a directory of `root` that is named by `at_ms`, read it back, and remove all
    but the `keep` newest backups. If anything fails, none is removed.

    Raises `ExportError`, what `export_state` raises.
    """
    started = time.monotonic()
    directory = root / utc(at_ms).strftime(_TIME)
    names = [""] if len(stages) == 1 else [stage.stage for stage in stages]
    for stage, name in zip(stages, names, strict=True):
        await export_state(stage, directory / name)
    try:
        (directory / MARKER).write_bytes(msgspec.json.encode(_Marker(tuple(names))))
    except OSError as error:
        raise ExportError(directory / MARKER, f": cannot be written: {system_error_text(error)}.") from error
    manifests = verify_backup(directory)
    return Backup(
        directory=str(directory),
        rows=sum(manifest.rows for manifest in manifests),
        size=sum(manifest.size for manifest in manifests),
        seconds=round(time.monotonic() - started, 2),
        removed=_remove_old(root, keep, at_ms),
    )


def verify_backup(directory: Path) -> list[Manifest]:
    """The manifests of a backup, whose files all have the digests that these name. Raises `ExportError`."""
    try:
        marker = msgspec.json.decode((directory / MARKER).read_bytes(), type=_Marker)
    except (OSError, *UNDECODABLE) as error:
        why = system_error_text(error) if isinstance(error, OSError) else str(error)
        raise ExportError(directory / MARKER, f": {why}: the backup is not complete. Take an older one.") from error
    return [read_manifest(directory / name) for name in marker.stages]


def backups_of(root: Path) -> list[Path]:
    """The complete backups below `root`, the oldest first; their files are not read. Raises `ExportError`."""
    return [directory for directory in _named(root) if (directory / MARKER).is_file()]


def begun_at_ms(backup: Path) -> int:
    """When a backup was begun, by its directory's name: ms since the epoch.

    >>> begun_at_ms(Path("/backup/2026-03-04T120000Z"))
    1772625600000
    """
    begun = datetime.strptime(backup.name, _TIME).replace(tzinfo=UTC)
    return int(begun.timestamp() * 1000)


def _named(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())
    except OSError as error:
        raise ExportError(root, f": cannot be read: {system_error_text(error)}.") from error


def _remove_old(root: Path, keep: int, at_ms: int) -> tuple[str, ...]:
    """Remove complete backups beyond the newest `keep`, and incomplete ones that nobody writes any more."""
    complete = backups_of(root)
    abandoned = [
        directory
        for directory in _named(root)
        if directory not in complete and at_ms / 1000 - directory.stat().st_mtime > INCOMPLETE_S
    ]
    old = [*complete[:-keep], *abandoned]
    for directory in old:
        try:
            (directory / MARKER).unlink(missing_ok=True)  # first: what is left of it is not taken for a backup
            shutil.rmtree(directory)
        except OSError as error:
            raise ExportError(directory, f": an old backup, cannot be removed: {system_error_text(error)}.") from error
    return tuple(directory.name for directory in old)
