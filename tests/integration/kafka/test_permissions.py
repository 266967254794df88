"""ACLs: each part works with those that docs/runbook.md lists and no others, and says in a sentence which one is
missing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.cases.cluster import eventually
from tests.integration.kafka.acls import Acl, Operation
from tests.integration.kafka.bank import Bank
from tests.integration.kafka.secure_cluster import SecureCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

REFUSED, FAILED = 78, 70
WAIT_S = 90.0
ONE_BROKER = ("--replication", "1", "--partitions", "4")


@pytest.fixture
async def bank(
    secure_kafka: SecureCluster, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[Bank]:
    bank = Bank(secure_kafka, redis_url, unique_name, tmp_path)
    async with bank.permitted():
        done = bank.command("topics", "topics", "apply", *ONE_BROKER)
        assert (done.returncode, done.stderr) == (0, "")
        yield bank


def says(user: str, acl: Acl) -> str:
    """How the sentence about a missing ACL begins; of a prefix, up to where it ends."""
    return f"user '{user}' is not authorized to {acl.operation} {acl.resource} '{acl.name.rstrip('*')}"


async def test_every_part_works_with_the_permissions_that_the_runbook_lists(bank: Bank, tmp_path: Path) -> None:
    checked = bank.command("topics", "topics", "check", *ONE_BROKER)
    assert (checked.returncode, checked.stderr) == (0, "")
    generated = bank.command("publisher", "generate", "--topic", "--speed", "0", "--count", "200")
    assert (generated.returncode, generated.stderr) == (0, "")
    await bank.world.publish_records([(b"a1", b"no payment")])
    worker = bank.worker()
    try:
        assert len(await bank.world.decisions(200)) == 200
        await bank.world.dead_letters(1)
        with (tmp_path / "cases.log").open("wb") as log, bank.case_agent(log):
            await eventually(bank.cases.cases, lambda cases: len(cases) > 0)
        await worker.stop()
    finally:
        worker.kill()
    assert "Traceback" not in worker.log.read_text()
    listed = bank.command("reader", "dead-letters", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "1 dead letters" in listed.stdout
    alert, *_ = await bank.world.alerts(1)
    explained = bank.command("analyst", "explain", alert.alert_id)
    assert (explained.returncode, explained.stderr) == (0, "")


@pytest.mark.parametrize("resource", ["topic", "group", "transactional id"])
async def test_a_worker_names_the_permission_that_it_lacks(bank: Bank, resource: str) -> None:
    lacking = [acl for acl in bank.needs["worker"] if acl.resource == resource]
    async with bank.without("worker", *lacking):
        worker = bank.worker()
        try:
            assert await worker.wait() == REFUSED
        finally:
            worker.kill()
    said = worker.log.read_text()
    assert says("worker", lacking[0]) in said
    assert "Traceback" not in said
    for acl in lacking[1:]:
        assert f"{acl.operation} {acl.resource} '{acl.name}'" in said, "all at once, not one after the other"


@pytest.mark.parametrize("resource", ["topic", "group", "transactional id"])
async def test_a_case_agent_names_the_permission_that_it_lacks(bank: Bank, resource: str, tmp_path: Path) -> None:
    lacking = [acl for acl in bank.needs["cases"] if acl.resource == resource]
    async with bank.without("cases", *lacking):
        with (tmp_path / "cases.log").open("wb") as log, bank.case_agent(log) as agent:
            assert await asyncio.wait_for(asyncio.to_thread(agent.wait), WAIT_S) in (REFUSED, FAILED)
    said = (tmp_path / "cases.log").read_text()
    assert says("cases", lacking[0]) in said
    assert "Traceback" not in said
    for acl in lacking[1:]:
        assert f"{acl.operation} {acl.resource} '{acl.name}'" in said, "all at once, not one after the other"


@pytest.mark.parametrize(
    ("user", "arguments"),
    [
        ("publisher", ("generate", "--topic", "--count", "10")),
        ("reader", ("dead-letters", "list")),
    ],
)
async def test_a_command_names_the_permission_that_it_lacks(bank: Bank, user: str, arguments: tuple[str, ...]) -> None:
    (acl,) = bank.needs[user]
    async with bank.without(user, acl):
        done = bank.command(user, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("fraudstream: ")
    assert done.stderr.count("\n") == 1
    assert acl.name in done.stderr
    assert f"user '{user}'" in done.stderr


@pytest.mark.parametrize(
    ("operation", "named"), [("DESCRIBE", "DESCRIBE"), ("ALTER_CONFIGS", "DESCRIBE_CONFIGS"), ("CREATE", "CREATE")]
)
async def test_topics_apply_names_the_permission_that_it_lacks(bank: Bank, operation: Operation, named: str) -> None:
    lacking = Acl(operation, "topic", bank.topics["decisions"])
    async with bank.without("topics", lacking):
        if operation == "CREATE":
            await bank.delete_topic(lacking.name)
        done = bank.command("topics", "topics", "apply", *ONE_BROKER)
    assert done.returncode == 1
    assert f"user 'topics' is not authorized to {named} topic '{lacking.name}'" in done.stderr
    assert done.stderr.count("\n") == 1
