"""The files that ship with the program, in a wheel and in a checkout: topic settings and rules."""

from __future__ import annotations

from pathlib import Path

import fraudstream

_PACKAGE = Path(fraudstream.__file__).parent


def shipped(directory: str) -> Path:
    """The path of `topics` or `rules` as shipped: inside the package when installed, beside it in a checkout."""
    installed = _PACKAGE / "shipped" / directory
    return installed if installed.is_dir() else _PACKAGE.parent / directory
