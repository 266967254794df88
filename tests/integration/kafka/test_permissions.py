"""ACLs: each component works with those that docs/runbook.md lists and no others, and names a missing one in a
sentence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.cases.case_cluster import eventually
from tests.integration.kafka.acls import Acl, Operation
from tests.integration.kafka.permitted_users import PermittedUsers
from tests.integration.kafka.secure_cluster import SecureCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

REFUSED, FAILED = 78, 70
WAIT_S = 90.0
ONE_BROKER = ("--replication", "1", "--partitions", "4")


@pytest.fixture
async def users(
    secure_kafka: SecureCluster, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[PermittedUsers]:
    """Users with their ACLs, and topics that the user `topics` has created."""
    users = PermittedUsers(secure_kafka, redis_url, unique_name, tmp_path)
    async with users.permitted():
        done = users.command("topics", "topics", "apply", *ONE_BROKER)
        assert (done.returncode, done.stderr) == (0, "")
        yield users


def denial(user: str, acl: Acl) -> str:
    """How the sentence about a missing ACL begins; for a prefixed ACL, without the end of the name."""
    return f"user '{user}' is not authorized to {acl.operation} {acl.resource} '{acl.name.rstrip('*')}"


async def test_every_component_works_with_the_permissions_that_the_runbook_lists(
    users: PermittedUsers, tmp_path: Path
) -> None:
    checked = users.command("topics", "topics", "check", *ONE_BROKER)
    assert (checked.returncode, checked.stderr) == (0, "")
    generated = users.command("publisher", "generate", "--topic", "--speed", "0", "--count", "200")
    assert (generated.returncode, generated.stderr) == (0, "")
    await users.stream.publish_records([(b"a1", b"no payment")])
    worker = users.worker()
    try:
        assert len(await users.stream.decisions(200)) == 200
        await users.stream.dead_letters(1)
        with (tmp_path / "cases.log").open("wb") as log, users.case_agent(log):
            await eventually(users.cases.cases, lambda cases: len(cases) > 0)
        await worker.stop()
    finally:
        worker.kill()
    assert "Traceback" not in worker.log.read_text()
    listed = users.command("reader", "dead-letters", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "1 dead letter:" in listed.stdout
    alert, *_ = await users.stream.alerts(1)
    explained = users.command("analyst", "explain", alert.alert_id)
    assert (explained.returncode, explained.stderr) == (0, "")


@pytest.mark.parametrize("resource", ["topic", "group", "transactional id"])
async def test_a_worker_names_the_permission_that_it_lacks(users: PermittedUsers, resource: str) -> None:
    lacking = [acl for acl in users.needs["worker"] if acl.resource == resource]
    async with users.without("worker", *lacking):
        worker = users.worker()
        try:
            assert await worker.wait() == REFUSED
        finally:
            worker.kill()
    said = worker.log.read_text()
    assert denial("worker", lacking[0]) in said
    assert "Traceback" not in said
    for acl in lacking[1:]:
        assert f"{acl.operation} {acl.resource} '{acl.name}'" in said, "missing permissions are not all named at once"


@pytest.mark.parametrize("resource", ["topic", "group", "transactional id"])
async def test_a_case_agent_names_the_permission_that_it_lacks(
    users: PermittedUsers, resource: str, tmp_path: Path
) -> None:
    lacking = [acl for acl in users.needs["cases"] if acl.resource == resource]
    async with users.without("cases", *lacking):
        with (tmp_path / "cases.log").open("wb") as log, users.case_agent(log) as agent:
            assert await asyncio.wait_for(asyncio.to_thread(agent.wait), WAIT_S) in (REFUSED, FAILED)
    said = (tmp_path / "cases.log").read_text()
    assert denial("cases", lacking[0]) in said
    assert "Traceback" not in said
    for acl in lacking[1:]:
        assert f"{acl.operation} {acl.resource} '{acl.name}'" in said, "missing permissions are not all named at once"


@pytest.mark.parametrize(
    ("user", "arguments"),
    [
        ("publisher", ("generate", "--topic", "--count", "10")),
        ("reader", ("dead-letters", "list")),
    ],
)
async def test_a_command_names_the_permission_that_it_lacks(
    users: PermittedUsers, user: str, arguments: tuple[str, ...]
) -> None:
    (acl,) = users.needs[user]
    async with users.without(user, acl):
        done = users.command(user, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("fraudstream: ")
    assert done.stderr.count("\n") == 1
    assert acl.name in done.stderr
    assert f"user '{user}'" in done.stderr


@pytest.mark.parametrize(
    ("operation", "named"), [("DESCRIBE", "DESCRIBE"), ("ALTER_CONFIGS", "DESCRIBE_CONFIGS"), ("CREATE", "CREATE")]
)
async def test_topics_apply_names_the_permission_that_it_lacks(
    users: PermittedUsers, operation: Operation, named: str
) -> None:
    lacking = Acl(operation, "topic", users.topics["decisions"])
    async with users.without("topics", lacking):
        if operation == "CREATE":
            await users.delete_topic(lacking.name)
        done = users.command("topics", "topics", "apply", *ONE_BROKER)
    assert done.returncode == 1
    assert f"user 'topics' is not authorized to {named} topic '{lacking.name}'" in done.stderr
    assert done.stderr.count("\n") == 1
