"""[history]: the history store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure


class HistorySettings(msgspec.Struct, frozen=True):
    """[history]"""

    directory: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="directory of the history store; without one, the console shows no history"),
    ] = None
    retention_days: Annotated[
        int, Meta(ge=0, le=36_500, description="payments are kept for this many days after they occurred; 0: for ever")
    ] = 400
    commit_interval_s: Annotated[
        float, Meta(gt=0, le=3600, description="time between two changes of the store: how far it is behind the topics")
    ] = 10.0

    def root(self) -> Path:
        """The directory. Raises `Failure` if none is set."""
        if self.directory is None:
            raise Failure("the history has no directory: set history.directory, or give --directory.")
        return Path(self.directory)
