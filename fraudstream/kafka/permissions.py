"""What Kafka's ACLs do not allow us, in a sentence: asked before the work begins, or heard in the middle of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from fraudstream.kafka.brokers import Brokers
from fraudstream.kafka.topic_metadata import Operation, topic_metadata

_DO = "docs/runbook.md, Permissions, lists what each part needs"


async def lacking(brokers: Brokers, wanted: Mapping[str, Collection[Operation]]) -> str | None:
    """What we may not do of what is `wanted` with each topic, as a sentence; None if all is allowed, or nobody tells.

    Topics that are not there are not told of. Raises what aiokafka raises."""
    admin = AIOKafkaAdminClient(**brokers.options())
    try:
        await admin.start()
        told = await topic_metadata(admin._client, list(wanted))
    finally:
        await admin.close()
    missing = [
        f"{operation} topic '{topic}'"
        for topic, operations in wanted.items()
        for operation in operations
        if topic in told and not told[topic].allows(operation)
    ]
    return not_allowed(brokers, ", ".join(missing)) if missing else None


def denial(error: BaseException, brokers: Brokers, topic_operation: str = "READ or WRITE") -> str | None:
    """The sentence for an error that says that an ACL is missing; None for any other."""
    names = _names(error)
    match error:
        case TopicAuthorizationFailedError():
            return not_allowed(brokers, f"{topic_operation} topic {names}")
        case GroupAuthorizationFailedError():
            return not_allowed(brokers, f"READ group {names}")
        case TransactionalIdAuthorizationFailed():
            return not_allowed(brokers, f"WRITE transactional id {names}")
        case ClusterAuthorizationFailedError():
            return not_allowed(brokers, "do this with the cluster")
        case _:
            return None


def not_allowed(brokers: Brokers, what: str) -> str:
    """`what`: operation, kind of resource, name."""
    return f"Kafka at {brokers} does not allow {brokers.user} to {what}. Have an ACL set for each; {_DO}."


def _names(error: BaseException) -> str:
    named = error.args[0] if error.args else "it does not name"
    names = [named] if isinstance(named, str) else sorted(named)
    return ", ".join(f"'{name}'" for name in names)
