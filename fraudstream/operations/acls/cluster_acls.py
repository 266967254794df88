"""The ACLs of a cluster, what they allow a user, and how they differ from what a part needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeAclsRequest

from fraudstream.kafka import Brokers
from fraudstream.operations.acls.needs import Need

ALLOW: Final = 3  # numbers of the protocol
_ANY, _ALL, _LITERAL, _PREFIXED, _DENY = 1, 2, 3, 4, 2
_RESOURCES: Final = {"topic": 2, "group": 3, "transactional id": 5}
_OPERATIONS: Final = {"READ": 3, "WRITE": 4, "DESCRIBE": 8}
_DESCRIBES: Final = (3, 4, 6, 7, 8)  # READ, WRITE, DELETE, ALTER bring DESCRIBE
_OPERATION_NAMES: Final = (
    *("UNKNOWN", "ANY", "ALL", "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "CLUSTER_ACTION"),
    *("DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "CREATE_TOKENS", "DESCRIBE_TOKENS", "TWO_PHASE_COMMIT"),
)
_RESOURCE_NAMES: Final = ("unknown", "any", "topic", "group", "cluster", "transactional id", "token", "user")
_SECURITY_DISABLED: Final = 54  # the error code of brokers without an authorizer
_EVERYBODY: Final = "User:*"


class Acl(NamedTuple):
    """An entry as the broker reports it, in the numbers of the protocol."""

    resource: int
    name: str
    pattern: int
    principal: str
    operation: int
    permission: int

    def __str__(self) -> str:
        """As messages name it; the name of a prefix ends in `*`."""
        name = f"{self.name}*" if self.pattern == _PREFIXED else self.name
        operation = _named(_OPERATION_NAMES, self.operation)
        return f"{operation} {_named(_RESOURCE_NAMES, self.resource)} '{name}'"

    def covers(self, need: Need) -> bool:
        """Whether it is about this operation on this resource; of a prefix, on all names that begin so."""
        if self.resource != _RESOURCES[need.resource] or not self._is_operation_of(need):
            return False
        if self.name == "*" and self.pattern == _LITERAL:
            return True
        if self.pattern == _PREFIXED:
            return need.name.rstrip("*").startswith(self.name)
        return not need.name.endswith("*") and self.name == need.name

    def is_only_of(self, needs: Iterable[Need]) -> bool:
        """Whether it allows nothing beyond these needs: what a need names, or DESCRIBE on it."""
        return any(
            self.resource == _RESOURCES[need.resource]
            and self.operation in (_OPERATIONS[need.operation], _OPERATIONS["DESCRIBE"])
            and self.name != "*"
            and (self.name, self.pattern == _PREFIXED) == (need.name.rstrip("*"), need.name.endswith("*"))
            for need in needs
        )

    def _is_operation_of(self, need: Need) -> bool:
        if need.operation == "DESCRIBE" and self.permission == ALLOW and self.operation in _DESCRIBES:
            return True
        return self.operation in (_ALL, _OPERATIONS[need.operation])


class AclDifference(NamedTuple):
    """How the ACLs of a part's user differ from its needs."""

    part: str
    principal: str
    missing: tuple[Need, ...]
    beyond: tuple[Acl, ...]


async def read_acls(brokers: Brokers) -> list[Acl] | None:
    """All ACLs of the cluster; None if it has no authorizer. Raises aiokafka's errors, such as
    `ClusterAuthorizationFailedError` without DESCRIBE on the cluster."""
    admin = AIOKafkaAdminClient(**brokers.options(), client_id="fraudstream-acls")
    try:
        await admin.start()
        answer = (await admin._send_request(DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))).to_object()
    finally:
        await admin.close()
    if answer["error_code"] == _SECURITY_DISABLED:
        return None
    if answer["error_code"]:
        raise for_code(answer["error_code"])(answer["error_message"] or "")
    return [
        Acl(
            resource["resource_type"],
            resource["resource_name"],
            resource["resource_pattern_type"],
            acl["principal"],
            acl["operation"],
            acl["permission_type"],
        )
        for resource in answer["resources"]
        for acl in resource["acls"]
    ]


def is_allowed(acls: Sequence[Acl], principal: str, need: Need) -> bool:
    """Whether ACLs allow it to a user; a DENY counts more than an ALLOW."""
    about = [acl.permission for acl in acls if acl.principal in (principal, _EVERYBODY) and acl.covers(need)]
    return _DENY not in about and ALLOW in about


def missing(acls: Sequence[Acl], principal: str, needs: Iterable[Need]) -> list[Need]:
    """What a user needs in every case and may not do."""
    return [need for need in needs if not need.when and not is_allowed(acls, principal, need)]


def difference(acls: Sequence[Acl], part: str, principal: str, needs: Sequence[Need]) -> AclDifference:
    """How a user's own ACLs differ from what its part needs."""
    own = [acl for acl in acls if acl.principal == principal and acl.permission == ALLOW]
    beyond = tuple(acl for acl in own if not acl.is_only_of(needs))
    return AclDifference(part, principal, tuple(missing(acls, principal, needs)), beyond)


def _named(names: Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else str(number)
