"""ACLs: whether each role may do what it needs, and who else may write what decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from fraudstream.operations.acls.cluster_acls import ALLOW, Acl, is_allowed, missing
from fraudstream.operations.acls.needs import PARTS, Need, needs_of
from fraudstream.operations.doctor.deployment import Deployment
from fraudstream.operations.doctor.finding import Finding

CHECK: Final = "permissions"
GUARDED_TOPICS: Final = ("controls", "decisions", "alerts", "cases", "audit")  # who writes here decides, or says so


def permission_findings(deployment: Deployment, acls: Sequence[Acl] | None) -> list[Finding]:
    """`acls`: all of the cluster; None if it has no authorizer."""
    if acls is None:
        what = "no authorizer: whoever reaches the brokers may write payments, rules and decisions"
        return [Finding(CHECK, "warning", "cluster", what, "set up ACLs: docs/runbook.md, Permissions")]
    findings = [*_lacking(deployment, acls), *_others(deployment, acls)]
    unnamed = [role for role in PARTS if role not in deployment.principals]
    if unnamed:
        what = f"the permissions of {', '.join(unnamed)} were not checked"
        findings.append(
            Finding(CHECK, "ok", "cluster", what, "name their users, as in --principal worker=User:fraudstream-worker")
        )
    return findings


def _lacking(deployment: Deployment, acls: Sequence[Acl]) -> Iterator[Finding]:
    for role, principal in deployment.principals.items():
        lacking = missing(acls, principal, needs_of(role, deployment.acls))
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
            if Need("WRITE", "topic", deployment.names[name]) in needs_of(role, deployment.acls)
        }
        for name in GUARDED_TOPICS
    }
    for principal in sorted({acl.principal for acl in acls if acl.permission == ALLOW}):
        may = [
            topic
            for topic, expected in writers.items()
            if expected and principal not in expected and is_allowed(acls, principal, Need("WRITE", "topic", topic))
        ]
        if may:
            what = f"may write {', '.join(may)}, and no role that was named needs it"
            yield Finding(CHECK, "warning", principal, what, "remove the ACL, unless it is who changes rules")
