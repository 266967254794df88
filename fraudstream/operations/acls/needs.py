"""What each part may do on a cluster with ACLs: the table of docs/runbook.md, Permissions, for one deployment.

Each part runs as a user of its own, with these and no others: tests on a secured cluster run them so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from fraudstream.stream.settings import StreamSettings

Operation = Literal["READ", "WRITE", "DESCRIBE"]
Resource = Literal["topic", "group", "transactional id"]

PARTS: Final = (
    "worker",
    "cases",
    "console",
    "gateway",
    "bridge",
    "history",
    "webhooks",
    "audit",
    "publisher",
    "label-publisher",
)


class Need(NamedTuple):
    """An operation on a resource. A `name` that ends in `*` stands for all that begin so. `when`: in which case it is
    needed; '' for always."""

    operation: Operation
    resource: Resource
    name: str
    when: str = ""

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.operation} {self.resource} '{self.name}'"


class AclScope(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the names. `names`: of topics, by their name in topics.yaml. `stages`: of the workers, in order.
    `bridge_source`: the topic that the bridge reads; None if it is not set. `console_activates`: whether the console
    may activate rules."""

    names: Mapping[str, str]
    stages: Sequence[StreamSettings]
    cases_group: str
    bridge_group: str
    webhooks_group: str
    bridge_source: str | None = None
    console_activates: bool = False


def needs_of(part: str, scope: AclScope) -> list[Need]:
    """What a part needs, without repetition. Raises `KeyError` for an unknown part."""
    read, write = _TOPICS[part]
    needs = [Need("READ", "topic", scope.names[name]) for name in read]
    needs += [Need("WRITE", "topic", scope.names[name]) for name in write]
    match part:
        case "worker":
            needs += _of_stages(scope.stages)
        case "cases":
            needs += _of_group(scope.cases_group)
        case "bridge":
            source = scope.bridge_source
            needs += [*([] if source is None else [Need("READ", "topic", source)]), *_of_group(scope.bridge_group)]
        case "webhooks":
            needs.append(Need("READ", "group", f"{scope.webhooks_group}-*"))
        case "console" if scope.console_activates:
            needs += _to_activate(scope)
    return list(dict.fromkeys(needs))


def _of_group(group: str) -> list[Need]:
    return [Need("READ", "group", group), Need("WRITE", "transactional id", f"{group}-*")]


def _of_stages(stages: Sequence[StreamSettings]) -> Iterator[Need]:
    for stage in stages:
        yield Need("READ", "topic", stage.input_topic)
        yield Need("READ", "topic", stage.changelog_topic)
        yield Need("WRITE", "topic", stage.changelog_topic)
        if stage.next_topic is not None:
            yield Need("WRITE", "topic", stage.next_topic)
        yield Need("READ", "group", stage.app_id)
        if stage.checkpoint_mode == "transaction":
            yield Need("WRITE", "transactional id", f"{stage.app_id}-*")
    for topic in stages[-1].reply_topics if stages else ():
        yield Need("WRITE", "topic", topic, "payments ask for answers there")


def _to_activate(scope: AclScope) -> Iterator[Need]:
    yield Need("WRITE", "topic", scope.names["controls"])
    yield Need("WRITE", "topic", scope.names["payments"])
    for stage in scope.stages:
        yield Need("READ", "topic", stage.changelog_topic)
        yield Need("DESCRIBE", "topic", stage.input_topic)
    if scope.stages:
        yield Need("WRITE", "topic", scope.stages[-1].input_topic)


# By part: topics to read, topics to write.
_TOPICS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "worker": (
        ("payments", "labels", "controls"),
        ("payments", "decisions", "alerts", "dead-letters", "controls"),
    ),
    "cases": (
        ("alerts", "case-actions", "notice-answers", "cases"),
        ("cases", "case-answers", "case-actions", "notices", "payments", "dead-letters"),
    ),
    "console": (
        ("cases", "alerts", "case-answers", "audit", "controls", "payments", "decisions", "dead-letters"),
        ("case-actions", "audit"),
    ),
    "gateway": (("replies",), ("payments",)),
    "bridge": ((), ("payments", "dead-letters")),
    "history": (("payments", "decisions"), ()),
    "webhooks": (("cases", "alerts"), ("dead-letters",)),
    "audit": (("audit",), ()),
    "publisher": ((), ("payments",)),
    "label-publisher": ((), ("labels",)),
}
