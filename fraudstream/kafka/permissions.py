"""Missing ACLs, as a sentence: checked before work begins, or read from an error that Kafka raised."""

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


async def missing_permissions(brokers: Brokers, wanted: Mapping[str, Collection[Operation]]) -> str | None:
    """Which of the `wanted` operations, by topic, our user is not authorized for, as a sentence.

    None if all are allowed, or if the brokers do not report permissions. Missing topics are skipped. Raises aiokafka's
    errors.
    """
    admin = AIOKafkaAdminClient(**brokers.options())
    try:
        await admin.start()
        metadata = await topic_metadata(admin._client, list(wanted))
    finally:
        await admin.close()
    missing = [
        f"{operation} topic '{topic}'"
        for topic, operations in wanted.items()
        for operation in operations
        if topic in metadata and not metadata[topic].allows(operation)
    ]
    return not_allowed(brokers, ", ".join(missing)) if missing else None


def denial(error: BaseException, brokers: Brokers, topic_operation: str = "READ or WRITE") -> str | None:
    """The sentence for an authorization error; None for any other error."""
    names = _names(error)
    match error:
        case TopicAuthorizationFailedError():
            return not_allowed(brokers, f"{topic_operation} topic {names}")
        case GroupAuthorizationFailedError():
            return not_allowed(brokers, f"READ group {names}")
        case TransactionalIdAuthorizationFailed():
            return not_allowed(brokers, f"WRITE transactional id {names}")
        case ClusterAuthorizationFailedError():
            return not_allowed(brokers, "do this on the cluster")
        case _:
            return None


def not_allowed(brokers: Brokers, what: str) -> str:
    """The sentence for a missing ACL. `what`: operation, kind of resource and name, such as "READ topic 'payments'"."""
    return (
        f"{brokers.user} is not authorized to {what} at {brokers}. Add an ACL for each operation: docs/runbook.md, "
        "Permissions, lists what each part needs."
    )


def _names(error: BaseException) -> str:
    named = error.args[0] if error.args else "(not named)"
    names = [named] if isinstance(named, str) else sorted(named)
    return ", ".join(f"'{name}'" for name in names)
