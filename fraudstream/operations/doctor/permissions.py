"""ACLs: whether each role may do what it needs, and who else may write what decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DescribeAclsRequest

from fraudstream.kafka import Brokers
from fraudstream.operations.doctor.deployment import Deployment
from fraudstream.operations.doctor.finding import Finding
from fraudstream.operations.doctor.roles import ROLES, Need, needs_of

CHECK: Final = "permissions"
GUARDED_TOPICS: Final = ("controls", "decisions", "alerts", "cases", "audit")  # who writes here decides, or says so
_ANY, _ALL, _LITERAL, _PREFIXED, _DENY, _ALLOW = 1, 2, 3, 4, 2, 3
_RESOURCES: Final = {"topic": 2, "group": 3, "transactional id": 5}
_OPERATIONS: Final = {"READ": 3, "WRITE": 4}
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

    def covers(self, need: Need) -> bool:
        """Whether it is about this operation on this resource; of a prefix, on all names that begin so."""
        if self.resource != _RESOURCES[need.resource] or self.operation not in (_ALL, _OPERATIONS[need.operation]):
            return False
        if self.name == "*" and self.pattern == _LITERAL:
            return True
        if self.pattern == _PREFIXED:
            return need.name.rstrip("*").startswith(self.name)
        return not need.name.endswith("*") and self.name == need.name


async def read_acls(brokers: Brokers) -> list[Acl] | None:
    """All ACLs of the cluster; None if it has no authorizer. Raises aiokafka's errors, such as
    `ClusterAuthorizationFailedError` without DESCRIBE on the cluster."""
    admin = AIOKafkaAdminClient(**brokers.options(), client_id="fraudstream-doctor")
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
    return _DENY not in about and _ALLOW in about


def permission_findings(deployment: Deployment, acls: Sequence[Acl] | None) -> list[Finding]:
    """`acls`: all of the cluster; None if it has no authorizer."""
    if acls is None:
        what = "no authorizer: whoever reaches the brokers may write payments, rules and decisions"
        return [Finding(CHECK, "warning", "cluster", what, "set up ACLs: docs/runbook.md, Permissions")]
    findings = [*_lacking(deployment, acls), *_others(deployment, acls)]
    unnamed = [role for role in ROLES if role not in deployment.principals]
    if unnamed:
        what = f"the permissions of {', '.join(unnamed)} were not checked"
        findings.append(
            Finding(CHECK, "ok", "cluster", what, "name their users, as in --principal worker=User:fraudstream-worker")
        )
    return findings


def _lacking(deployment: Deployment, acls: Sequence[Acl]) -> Iterator[Finding]:
    for role, principal in deployment.principals.items():
        lacking = [need for need in needs_of(role, deployment) if not is_allowed(acls, principal, need)]
        if lacking:
            what = f"{principal} may not {', '.join(map(str, lacking))}"
            yield Finding(CHECK, "error", role, what, "an ACL for each (docs/runbook.md, Permissions)")
        else:
            yield Finding(CHECK, "ok", role, f"{principal} may do what it needs")


def _others(deployment: Deployment, acls: Sequence[Acl]) -> Iterator[Finding]:
    """Users that no role was given for, and may write a topic that decides."""
    writers: Mapping[str, set[str]] = {
        deployment.names[name]: {
            principal
            for role, principal in deployment.principals.items()
            if Need("WRITE", "topic", deployment.names[name]) in needs_of(role, deployment)
        }
        for name in GUARDED_TOPICS
    }
    for principal in sorted({acl.principal for acl in acls if acl.permission == _ALLOW}):
        may = [
            topic
            for topic, expected in writers.items()
            if expected and principal not in expected and is_allowed(acls, principal, Need("WRITE", "topic", topic))
        ]
        if may:
            what = f"may write {', '.join(may)}, and no role that was named needs it"
            yield Finding(CHECK, "warning", principal, what, "remove the ACL, unless it is who changes rules")
