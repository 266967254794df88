"""Needs as the commands with which Kafka's own tool gives them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from fraudstream.operations.acls.needs import Need, Operation, Resource

_FLAGS: Final[dict[Resource, str]] = {
    "topic": "--topic",
    "group": "--group",
    "transactional id": "--transactional-id",
}


def admin_commands(servers: str, principal: str, needs: Iterable[Need]) -> Iterator[str]:
    """A command for each resource. `servers`: to connect to; `admin.properties` has what connects an administrator."""
    operations: dict[tuple[Resource, str], list[Operation]] = {}
    for need in needs:
        operations.setdefault((need.resource, need.name), []).append(need.operation)
    for (resource, name), wanted in operations.items():
        words = ["kafka-acls.sh", "--bootstrap-server", servers, "--command-config", "admin.properties", "--add"]
        words += ["--allow-principal", principal]
        for operation in wanted:
            words += ["--operation", operation.capitalize()]
        words += [_FLAGS[resource], name.rstrip("*")]
        if name.endswith("*"):
            words += ["--resource-pattern-type", "prefixed"]
        yield shlex.join(words)
