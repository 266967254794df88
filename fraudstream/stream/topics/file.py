"""Reads the topics file (`topics/topics.yaml`): each topic with its name, partitions, replication and configs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from fraudstream.engine.document import DocumentErrors, read_content
from fraudstream.stream.settings import version_suffix


class TopicsError(Exception):
    """The topics file or the cluster cannot be used. `str()` is a sentence for the user."""


ConfigValue = str | int | float | bool
Partitions = Annotated[int, Meta(ge=1, le=10_000)]
Replication = Annotated[int, Meta(ge=1, le=10)]


class _Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    partitions: Partitions
    replication: Replication
    configs: dict[str, ConfigValue] = {}


class _Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str | None = None
    partitions: Partitions | None = None
    replication: Replication | None = None
    configs: dict[str, ConfigValue] = {}
    keyed: bool = True


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    defaults: _Defaults
    topics: dict[str, _Topic]


class Topic(msgspec.Struct, frozen=True):
    """A topic of the topics file. `configs`: by name, values as the broker writes them. `keyed`: by account, device and
    so on, so that records of one key must not move to another partition."""

    name: str
    partitions: int
    replication: int
    configs: dict[str, str]
    keyed: bool = True


def read_topics(
    text: str,
    path: str,
    names: Mapping[str, str],
    group: str,
    stages: Sequence[str],
    partitions: int | None = None,
    replication: int | None = None,
    *,
    state_version: int = 1,
) -> list[Topic]:
    """The topics of a topics file (`topics/topics.yaml`), in its order.

    `names`: the name of each topic that has no `name` in the file. `partitions`, if given, replaces the file's for
    topics that are keyed; `replication`, if given, for all. A topic with {stage} in its name is repeated for each of
    `stages`, one with {later_stage} for each but the first. `path`: for messages. Raises `TopicsError` for an invalid
    file.
    """
    try:
        file = msgspec.convert(read_content(text, path, typed=True), _File)
    except DocumentErrors as errors:
        fault = errors.faults[0]
        raise TopicsError(f"{path}:{fault.line}: {fault.sentence}") from errors
    except msgspec.ValidationError as error:
        raise TopicsError(f"{path}: {' '.join(str(error).split())}.") from error
    topics = []
    for key, topic in file.topics.items():
        if topic.name is None and key not in names:
            raise TopicsError(
                f"{path}: unknown topic '{key}'. Known: {', '.join(sorted(names))}; others need a 'name'."
            )
        copies = replication or topic.replication or file.defaults.replication
        configs = {name: _spelt(value) for name, value in {**file.defaults.configs, **topic.configs}.items()}
        if "min.insync.replicas" in configs:  # a value above the replication would reject every write
            configs["min.insync.replicas"] = str(min(int(configs["min.insync.replicas"]), copies))
        values = {"group": group, "version": version_suffix(state_version), "payments": names.get("payments", "")}
        known = [names[key]] if topic.name is None else _filled(topic.name, f"{path}: topic '{key}'", values, stages)
        count = (partitions if topic.keyed else None) or topic.partitions or file.defaults.partitions
        topics += [Topic(name, count, copies, configs, topic.keyed) for name in known]
    return topics


def _filled(name: str, where: str, values: Mapping[str, str], stages: Sequence[str]) -> list[str]:
    """`name` with its placeholders replaced: one name, or one for each stage. Raises `TopicsError`."""
    for placeholder, value in values.items():
        name = name.replace(f"{{{placeholder}}}", value)
    filled = [name]
    for placeholder, of in (("{later_stage}", stages[1:]), ("{stage}", stages)):
        if placeholder in name:
            filled = [name.replace(placeholder, stage) for stage in of]
    for one in filled:
        if unknown := re.search(r"\{.*?\}", one):
            known = ", ".join(f"{{{placeholder}}}" for placeholder in (*values, "stage", "later_stage"))
            raise TopicsError(f"{where}: unknown '{unknown[0]}' in its name. Known: {known}.")
    return filled


def _spelt(value: ConfigValue) -> str:
    """The value as the broker writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
