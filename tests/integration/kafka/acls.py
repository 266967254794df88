"""Adds and removes Kafka ACLs, as an administrator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from fraudstream.kafka import Brokers

Resource = Literal["topic", "group", "transactional id"]
Operation = Literal["READ", "WRITE", "CREATE", "ALTER", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"]

_RESOURCES: Final[dict[Resource, int]] = {"topic": 2, "group": 3, "transactional id": 5}
_OPERATIONS: Final[dict[Operation, int]] = {
    "READ": 3,
    "WRITE": 4,
    "CREATE": 5,
    "ALTER": 7,
    "DESCRIBE": 8,
    "DESCRIBE_CONFIGS": 10,
    "ALTER_CONFIGS": 11,
}
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3


class Acl(NamedTuple):
    """An operation on a resource; a `name` that ends in `*` is a prefix."""

    operation: Operation
    resource: Resource
    name: str


async def allow(admin: Brokers, user: str, acls: Iterable[Acl]) -> None:
    """Give a user these ACLs."""
    await _send(admin, [CreateAclsRequest(*_pattern(acl), *_who(user, acl)) for acl in acls])


async def forbid(admin: Brokers, user: str, acls: Iterable[Acl]) -> None:
    """Take these ACLs from a user."""
    await _send(admin, [DeleteAclsRequest(*_pattern(acl), *_who(user, acl)) for acl in acls])


async def _send(admin: Brokers, requests: Iterable[CreateAclsRequest | DeleteAclsRequest]) -> None:
    client = AIOKafkaAdminClient(**admin.options())
    await client.start()
    try:
        for request in requests:
            answer = (await client._send_request(request)).to_object()
            (done,) = answer.get("creation_responses") or answer["filter_responses"]
            assert done["error_code"] == 0, answer
    finally:
        await client.close()


def _pattern(acl: Acl) -> tuple[int, str, int]:
    return _RESOURCES[acl.resource], acl.name.rstrip("*"), _PREFIXED if acl.name.endswith("*") else _LITERAL


def _who(user: str, acl: Acl) -> tuple[str, str, int, int]:
    return f"User:{user}", "*", _OPERATIONS[acl.operation], _ALLOW
