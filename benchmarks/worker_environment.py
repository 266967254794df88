"""The environment of a worker that is measured."""

from __future__ import annotations

import msgspec

from fraudstream.cli.settings import Settings


def worker_environment(settings: Settings) -> dict[str, str]:
    """All settings in the form that `contender.worker` accepts."""
    named: dict[str, str] = {}
    for section in ("rules", "topics", "worker"):
        for name, value in msgspec.structs.asdict(getattr(settings, section)).items():
            if value is not None:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                named[f"{section}_{name}".upper()] = text
    return named
