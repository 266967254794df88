"""The topics that a deployment needs, by the topics file, the settings and the rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import ALL_STAGES, Settings, TopicsSettings
from fraudstream.cli.shipped import shipped
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.stream.topics.file import Topic

_COUNTS = ("partitions", "replication")


def wanted_topics(settings: Settings, file: str | None = None, payments_partitions: int | None = None) -> list[Topic]:
    """The expected topics, by the topics file, the settings and the stages that the rules' features need.

    `payments_partitions`: of the payments topic on the cluster, None if it does not exist there: it may determine the
    form of the stages. Raises `Failure` or `TopicsError`.
    """
    from fraudstream.cli.rule_files import stages_of_directory
    from fraudstream.stream.topics.file import read_topics

    path = Path(file) if file else shipped("topics") / "topics.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path}: cannot read the topics file: {system_error_text(error)}.") from error
    names = topic_names(settings)

    def topics_of(stages: Sequence[str]) -> list[Topic]:
        return read_topics(
            text,
            str(path),
            names,
            group=settings.worker.group,
            stages=stages,
            state_version=settings.worker.state_version,
            partitions=settings.topics.partitions,
            replication=settings.topics.replication,
        )

    entities = stages_of_directory(Path(settings.rules.directory))
    chain = topics_of(entities)
    if payments_partitions is None:
        payments_partitions = next((t.partitions for t in chain if t.name == settings.topics.payments), 0)
    return topics_of([ALL_STAGES]) if _has_single_stage(settings, entities, payments_partitions) else chain


def topic_names(settings: Settings) -> dict[str, str]:
    """The name of each topic of the settings, by its name in the topics file."""
    return {
        field.replace("_", "-"): getattr(settings.topics, field)
        for field in TopicsSettings.__struct_fields__
        if field not in _COUNTS
    }


def _has_single_stage(settings: Settings, entities: Sequence[str], payments_partitions: int) -> bool:
    """Whether one stage has all entities. Raises `Failure`."""
    from fraudstream.cli.worker import stream_settings
    from fraudstream.stream.failure import PermanentFailure
    from fraudstream.stream.stages import settle_form

    try:
        return settle_form(stream_settings(settings), entities, payments_partitions).stages == "single"
    except PermanentFailure as failure:
        raise Failure(failure.sentence) from failure
