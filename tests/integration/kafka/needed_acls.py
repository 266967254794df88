"""The ACLs of each user on the topics of a test: those that `fraudstream topics acls` prints, and of two people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fraudstream.operations.acls.needs import AclScope, needs_of
from tests.integration.kafka.acls import Acl

PARTS = ("worker", "cases", "console", "gateway", "history", "webhooks", "publisher", "label-publisher")


def needed_acls(scope: AclScope) -> Mapping[str, Sequence[Acl]]:
    """By user, named as their part."""
    parts = {
        part: [Acl(need.operation, need.resource, need.name) for need in needs_of(part, scope) if not need.when]
        for part in PARTS
    }
    return parts | {
        "reader": [Acl("READ", "topic", scope.names["dead-letters"])],
        "analyst": [Acl("READ", "topic", scope.names[name]) for name in ("payments", "alerts", "controls")],
    }
