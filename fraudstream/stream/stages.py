"""The stages that a rule set's catalogue needs, each with its settings and its engine.

payments ──► [account] ──► …-by-device ──► [device] ──► …-by-merchant ──► [merchant] ──► decisions, alerts
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from fraudstream.stream.settings import StreamSettings

if TYPE_CHECKING:
    from fraudstream.engine.engine import Engine


def stages_of(settings: StreamSettings, engine: Engine) -> Iterator[tuple[StreamSettings, Engine]]:
    """The stages that a worker runs, in order: all that the catalogue has, or that of an engine of one stage."""
    for name in engine.stages if engine.stage is None else (engine.stage,):
        of_stage = engine.of_stage(name)
        yield (
            msgspec.structs.replace(
                settings,
                stage=name,
                stage_is_first=of_stage.is_first,
                next_stage=of_stage.next_stage,
                labels_topic=settings.labels_topic if of_stage.is_first else None,
            ),
            of_stage,
        )
