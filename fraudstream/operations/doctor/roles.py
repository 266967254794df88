"""What each part may do on a cluster with ACLs: the table of docs/runbook.md, Permissions, for one deployment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from fraudstream.operations.doctor.deployment import Deployment

Operation = Literal["READ", "WRITE"]
Resource = Literal["topic", "group", "transactional id"]

ROLES: Final = ("worker", "cases", "console", "gateway", "history", "bridge", "audit", "publisher")


class Need(NamedTuple):
    """An operation on a resource. A `name` that ends in `*` stands for all that begin so."""

    operation: Operation
    resource: Resource
    name: str

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.operation} {self.resource} '{self.name}'"


def needs_of(role: str, deployment: Deployment) -> list[Need]:
    """What a role needs, without repetition. Raises `KeyError` for an unknown role."""
    read, write, more = _TOPICS[role]
    needs = [Need("READ", "topic", deployment.names[name]) for name in read]
    needs += [Need("WRITE", "topic", deployment.names[name]) for name in write]
    if role == "worker":
        needs += _of_stages(deployment)
    elif more is not None:
        group = deployment.cases_group if more == "cases" else deployment.bridge_group
        needs += [Need("READ", "group", group), Need("WRITE", "transactional id", f"{group}-*")]
    return list(dict.fromkeys(needs))


def _of_stages(deployment: Deployment) -> Iterator[Need]:
    for stage in deployment.stages:
        yield Need("READ", "topic", stage.input_topic)
        yield Need("READ", "topic", stage.changelog_topic)
        yield Need("WRITE", "topic", stage.changelog_topic)
        if stage.next_topic is not None:
            yield Need("WRITE", "topic", stage.next_topic)
        yield Need("READ", "group", stage.app_id)
        if stage.checkpoint_mode == "transaction":
            yield Need("WRITE", "transactional id", f"{stage.app_id}-*")


# By role: topics to read, topics to write, and whose group and transactional ids.
_TOPICS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...], Literal["cases", "bridge"] | None]]] = {
    "worker": (
        ("payments", "labels", "controls"),
        ("payments", "decisions", "alerts", "dead-letters", "controls"),
        None,
    ),
    "cases": (
        ("alerts", "case-actions", "cases"),
        ("cases", "case-answers", "case-actions", "payments", "dead-letters"),
        "cases",
    ),
    "console": (
        ("cases", "alerts", "case-answers", "audit", "controls", "payments"),
        ("case-actions", "audit"),
        None,
    ),
    "gateway": (("replies",), ("payments",), None),
    "history": (("payments", "decisions"), (), None),
    "bridge": ((), ("payments", "dead-letters"), "bridge"),
    "audit": (("audit",), (), None),
    "publisher": ((), ("payments",), None),
}
