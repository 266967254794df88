"""Secrets that settings name by file, as Kubernetes and systemd provide them."""

from __future__ import annotations

from pathlib import Path

from fraudstream.cli.failure import Failure
from fraudstream.contracts.error_text import read_error_text


def secret_of_file(setting: str, path: str) -> str:
    """The text in the file that `setting` names, without its last line break. Raises `Failure` if there is none."""
    try:
        secret = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{setting} {path}: cannot be read: {read_error_text(error)}.") from error
    if not secret:
        raise Failure(f"{setting} {path}: the file is empty.")
    return secret
