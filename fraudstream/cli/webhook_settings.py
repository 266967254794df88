"""[webhooks]: what other systems are told by HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from fraudstream.cli.failure import Failure
from fraudstream.contracts.duration import parse_duration


class WebhookSettings(msgspec.Struct, frozen=True):
    """[webhooks]"""

    file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="YAML file with the endpoints (docs/webhooks.md); `fraudstream webhooks` needs one"),
    ] = None
    group: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9._-]{1,100}$",
            description="each endpoint's consumer group, before its name",
        ),
    ] = "fraudstream-webhooks"
    timeout_s: Annotated[float, Meta(gt=0, le=120, description="longest time of an attempt")] = 10.0
    retry_for: Annotated[
        str,
        Meta(
            pattern="^[1-9][0-9]{0,8}(s|m|h|d)$",
            description="age of an event after which a failed attempt makes it a dead letter: 15m, 6h, 3d",
        ),
    ] = "1d"

    @property
    def retry_for_ms(self) -> int:
        """The same in milliseconds."""
        return parse_duration(self.retry_for)

    def path(self) -> Path:
        """The file. Raises `Failure` if none is set."""
        if self.file is None:
            raise Failure("webhooks have no endpoints: set webhooks.file, or give --file.")
        return Path(self.file)
