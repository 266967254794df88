"""Writes rules into a directory, for a command that is run on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fraudstream.engine.artefacts import ARTEFACTS_DIRECTORY


def write_rules(directory: Path, files: Mapping[str, str], artefacts: Mapping[str, bytes]) -> None:
    """Write files by path and artefacts by digest into a directory, which is made. Blocks. Raises `OSError`."""
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
    for digest, content in artefacts.items():
        (directory / ARTEFACTS_DIRECTORY).mkdir(parents=True, exist_ok=True)
        (directory / ARTEFACTS_DIRECTORY / digest).write_bytes(content)
