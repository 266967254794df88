"""The local directories that the settings name: there, writable, with room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fraudstream.contracts.error_text import system_error_text
from fraudstream.operations.doctor.finding import Finding

CHECK: Final = "disk"


def directory_findings(directories: Mapping[str, tuple[Path, int]]) -> list[Finding]:
    """`directories`: by setting, with the bytes that should be free."""
    return [_finding(setting, path, wanted) for setting, (path, wanted) in directories.items()]


def _finding(setting: str, path: Path, wanted: int) -> Finding:
    where = f"{setting} {path}"
    there = next((parent for parent in (path, *path.absolute().parents) if parent.exists()), Path("/"))
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(CHECK, "error", where, f"cannot be read: {system_error_text(error)}", "make it readable")
    if not os.access(there, os.W_OK):
        return Finding(CHECK, "error", where, "may not be written to by this user", "give it to the user that runs it")
    room = f"{free / 1e9:.1f} GB free"
    if free < wanted:
        return Finding(CHECK, "warning", where, f"{room}, wanted {wanted / 1e9:.0f} GB", "a larger disk")
    return Finding(CHECK, "ok", where, room if there == path else f"{room}; it will be made")
