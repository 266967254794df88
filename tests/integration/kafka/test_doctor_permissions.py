"""`fraudstream doctor` reads the ACLs of each role's user, and says which are missing and who may write too much."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.kafka.acls import Acl, allow, forbid
from tests.integration.kafka.permitted_users import PermittedUsers
from tests.integration.kafka.secure_cluster import SecureCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

FLAGS = ("--replication=1", "--partitions=4", "--without-redis", "--json")
ROLES = ("--principal", "worker=User:worker", "--principal", "publisher=User:publisher")


@pytest.fixture
async def users(
    secure_kafka: SecureCluster, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[PermittedUsers]:
    """Users with their ACLs, and topics that the administrator has created."""
    users = PermittedUsers(secure_kafka, redis_url, unique_name, tmp_path)
    async with users.permitted():
        done = users.command("admin", "topics", "apply", "--replication", "1", "--partitions", "4")
        assert (done.returncode, done.stderr) == (0, "")
        yield users


def permissions(users: PermittedUsers, user: str, *roles: str) -> dict[str, tuple[str, str]]:
    """What doctor says of permissions, run by a user: severity and sentence by place."""
    done = users.command(user, "doctor", *FLAGS, *roles)
    assert done.returncode in (3, 4), done.stderr
    findings = json.loads(done.stdout)["findings"]
    return {f["where"]: (f["severity"], f["what"]) for f in findings if f["check"] == "permissions"}


async def test_the_permissions_of_the_runbook_are_enough(users: PermittedUsers) -> None:
    cases = ("--set", f"cases.group={users.cases.settings.group}")
    found = permissions(users, "admin", *ROLES, "--principal", "cases=User:cases", *cases)
    assert found["worker"] == ("ok", "User:worker may do what it needs")
    assert found["cases"][0] == found["publisher"][0] == "ok"


async def test_every_missing_permission_is_named(users: PermittedUsers) -> None:
    lacking = [acl for acl in users.needs["worker"] if acl.resource != "topic" or "payments" in acl.name]
    async with users.without("worker", *lacking):
        severity, what = permissions(users, "admin", *ROLES)["worker"]
    assert severity == "error"
    for acl in lacking:
        assert f"{acl.operation} {acl.resource} '{acl.name}'" in what


async def test_a_publisher_that_may_write_rules_is_reported(users: PermittedUsers) -> None:
    controls = Acl("WRITE", "topic", users.topics["controls"])
    await allow(users.admin, "publisher", [controls])
    try:
        severity, what = permissions(users, "admin", *ROLES)["User:publisher"]
    finally:
        await forbid(users.admin, "publisher", [controls])
    assert severity == "warning"
    assert what.startswith(f"may write {controls.name}, ")


async def test_a_user_that_may_not_list_acls_is_told_so(users: PermittedUsers) -> None:
    severity, what = permissions(users, "topics", *ROLES)["cluster"]
    assert (severity, what) == ("warning", "user 'topics' may not list ACLs, so they were not checked")
