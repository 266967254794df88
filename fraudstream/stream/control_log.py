"""`fraudstream.controls` for callers that have a stage's settings: finds the topic, the log, and other versions'
logs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fraudstream.contracts.control import Control, Stored
from fraudstream.controls import reader, writer
from fraudstream.controls.reader import Controls
from fraudstream.controls.topic import ControlsTopic
from fraudstream.kafka.partitions import topics_of
from fraudstream.kafka.topic_reader import NoTopicError
from fraudstream.stream.settings import StreamSettings, version_suffix

__all__ = [
    "Controls",
    "NoTopicError",
    "bring_lists_along",
    "controls_topic",
    "deciding_topic",
    "keep",
    "logs_of_other_versions",
    "put_in_force",
    "read_controls",
]


def controls_topic(settings: StreamSettings) -> ControlsTopic:
    """The topic `controls`, as a stage's settings describe it."""
    return ControlsTopic(
        settings.brokers,
        settings.controls_topic,
        settings.fetch_wait,
        settings.checkpoint_mode == "transaction",
        settings.signatures.controls,
    )


def deciding_topic(settings: StreamSettings) -> str:
    """The log in which payments are decided: controls take effect there. `settings`: of the deciding stage."""
    assert settings.next_stage is None, f"the stage '{settings.stage}' does not decide"
    return settings.input_topic


async def read_controls(settings: StreamSettings) -> Controls:
    """As `controls.reader.read_controls`."""
    return await reader.read_controls(controls_topic(settings))


async def keep(settings: StreamSettings, records: Sequence[Stored]) -> None:
    """As `controls.writer.keep`."""
    await writer.keep(controls_topic(settings), records)


async def put_in_force(
    settings: StreamSettings,
    records: Sequence[Stored],
    controls: Sequence[Control],
    logs: Sequence[str] | None = None,
) -> dict[int, int]:
    """As `controls.writer.put_in_force`, by default in the log in which payments are decided."""
    logs = [deciding_topic(settings)] if logs is None else logs
    return await writer.put_in_force(controls_topic(settings), records, controls, logs)


async def bring_lists_along(settings: StreamSettings) -> None:
    """As `controls.writer.bring_lists_along`, for the log of the deciding stage. `settings`: of that stage."""
    await writer.bring_lists_along(controls_topic(settings), deciding_topic(settings))


async def logs_of_other_versions(settings: StreamSettings) -> list[str]:
    """The logs in which other state versions of the group may decide; `settings`: of the deciding stage.

    While one version is backfilled beside another, a list entry must be written to the logs of both.
    """
    topics, ours = await topics_of(settings.brokers), version_suffix(settings.state_version)
    between = rf"{re.escape(settings.group)}-{re.escape(settings.payments_topic)}-by-\w+?(-v\d+)?"
    changelog = rf"{re.escape(settings.group)}-\w+?(-v\d+)?-state-changelog"
    found = [name for name in topics if (match := re.fullmatch(between, name)) and (match[1] or "") != ours]
    others = any((match[1] or "") != ours for name in topics if (match := re.fullmatch(changelog, name)))
    beside = others and not settings.stage_is_first and settings.payments_topic in topics
    return [*found, settings.payments_topic] if beside else found
