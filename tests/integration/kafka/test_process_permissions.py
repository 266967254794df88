"""Every process of a deployment runs at once, each as a user with the ACLs that `fraudstream topics acls` prints and no
others; and who may publish payments may write nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from redis import Redis

from fraudstream.operations.acls.needs import needs_of
from tests.integration.cases.case_cluster import eventually
from tests.integration.kafka.acls import Acl, allow, forbid
from tests.integration.kafka.needed_acls import PARTS
from tests.integration.kafka.permitted_users import PermittedUsers
from tests.integration.kafka.secure_cluster import SecureCluster
from tests.integration.stream.payments import payment
from tests.integration.stream.process import ChildProcess
from tests.unit.webhooks.webhook_server import SECRET_TEXT, WebhookServer, webhook_server

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]  # six processes start, each takes seconds of a processor

PAYMENTS = 40
TRIES_MAX = 9
REDIS_PASSWORD = "canary-of-redis"
STARTED = {
    "console": "the queue is up to date",
    "gateway": "gateway at ",
    "history": "metrics at ",
    "webhooks": "metrics at ",
}


@pytest.fixture
async def users(
    secure_kafka: SecureCluster, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[PermittedUsers]:
    """Users with their ACLs, and topics that the user `topics` has created."""
    users = PermittedUsers(secure_kafka, redis_url, unique_name, tmp_path)
    async with users.permitted():
        done = users.command("topics", "topics", "apply", "--replication", "1", "--partitions", "4")
        assert (done.returncode, done.stderr) == (0, "")
        yield users


def answers_of(users: PermittedUsers) -> list[Acl]:
    """What a worker needs besides, where payments ask for answers."""
    return [Acl(need.operation, need.resource, need.name) for need in needs_of("worker", users.scope) if need.when]


async def started(
    users: PermittedUsers, hooks: WebhookServer, directory: Path, redis_url: str
) -> AsyncIterator[tuple[str, ChildProcess]]:
    """The processes but for the case agent, by user: one after another, as each takes seconds of a processor."""
    (directory / "secret").write_text(SECRET_TEXT)
    (directory / "webhooks.yaml").write_text(
        f"version: 1\nendpoints:\n  - name: tool\n    url: {hooks.url}\n    events: [case.opened, alert]\n"
        "    secret_file: secret\n    from_beginning: true\n"
    )
    ports = {f"metrics.{name}_port": 0 for name in ("gateway", "history", "webhooks")}
    settings: dict[str, dict[str, object]] = {
        "console": {"console.port": 0, "redis.url": redis_url, "cases.group": users.scope.cases_group},
        "gateway": {"gateway.port": 0, "gateway.instance": "one"},
        "history": {"history.directory": directory / "history"},
        "webhooks": {"webhooks.file": directory / "webhooks.yaml", "webhooks.group": users.scope.webhooks_group},
    }
    yield "worker", users.worker()
    for user, own in settings.items():
        process = users.process(user, [user], {**ports, **own})
        yield user, process
        await process.logs(STARTED[user])


async def test_all_processes_work_with_exactly_their_acls_and_show_no_secret(
    users: PermittedUsers, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Secrets come by file and environment: none is in the arguments of a process, nor in its log at debug level, where
    libraries would write out what they send."""
    directory = tmp_path_factory.mktemp("files")
    secrets = given_secrets(users, directory)
    guarded, password = guarded_redis(redis_url, directory)
    users.variables["FRAUDSTREAM_REDIS_PASSWORD_FILE"] = str(password)
    processes: dict[str, ChildProcess] = {}
    await allow(users.admin, "worker", answers_of(users))
    async with webhook_server() as hooks:
        with (directory / "cases.log").open("wb") as log, users.case_agent(log, {"redis.url": guarded}) as agent:
            try:
                async for user, process in started(users, hooks, directory, guarded):
                    processes[user] = process
                await decide(re.findall(r"gateway at (https?://\S+),", processes["gateway"].log.read_text())[-1])
                await eventually(lambda: kinds(hooks), lambda found: found == {"case.opened", "alert"})
                for topic in (users.topics["payments"], users.topics["decisions"]):
                    await eventually(partial(read_by_history, directory / "history", topic), PAYMENTS.__le__)
                arguments = [arguments_of(pid) for pid in (agent.pid, *(each.pid for each in processes.values()))]
                for process in processes.values():
                    await process.stop()
            finally:
                for process in processes.values():
                    process.kill()
                await forbid(users.admin, "worker", answers_of(users))
    logs = [(directory / "cases.log").read_text(), *(process.log.read_text() for process in processes.values())]
    assert all("DEBUG" in said or "INFO" in said for said in logs)
    for said in logs:
        assert ("Traceback" in said, "authorized" in said) == (False, False), said
    for text in (*arguments, *logs):
        assert [name for name, secret in secrets.items() if secret in text] == []


def given_secrets(users: PermittedUsers, directory: Path) -> dict[str, str]:
    """What must not be seen, by name; the processes get it by file or environment, and log at debug level."""
    secrets = {
        "identifiers": "5e" * 16,
        "controls": "c7" * 32,
        "labels": "1a" * 32,
        "reference": "reference-canary" * 3,
    }
    contents = {**secrets, "controls": f"key-1 {secrets['controls']}", "labels": f"key-1 {secrets['labels']}"}
    for name, content in contents.items():
        (directory / name).write_text(content)
    users.variables |= {
        "FRAUDSTREAM_LOG_LEVEL": "debug",
        "FRAUDSTREAM_KAFKA_SASL_MECHANISM": "PLAIN",  # the one that sends the password itself
        "FRAUDSTREAM_IDENTIFIERS_SECRET_FILE": str(directory / "identifiers"),
        "FRAUDSTREAM_SIGNATURES_CONTROLS_FILE": str(directory / "controls"),
        "FRAUDSTREAM_SIGNATURES_LABELS_FILE": str(directory / "labels"),
        "FRAUDSTREAM_CONSOLE_REFERENCE_SECRET_FILE": str(directory / "reference"),
    }
    passwords = {f"password of {user}": f"{user}-secret" for user in PARTS}
    return {**secrets, **passwords, "webhooks": SECRET_TEXT, "redis": REDIS_PASSWORD}


def guarded_redis(url: str, directory: Path) -> tuple[str, Path]:
    """The address of a user of Redis that has a password, and the file with it."""
    with Redis.from_url(url) as redis:
        redis.execute_command("ACL", "SETUSER", "canary", "on", f">{REDIS_PASSWORD}", "~*", "&*", "+@all")
    (directory / "redis").write_text(REDIS_PASSWORD)
    address = urlsplit(url)
    return address._replace(netloc=f"canary@{address.netloc}").geturl(), directory / "redis"


def arguments_of(pid: int) -> str:
    """The arguments of a process and of those that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    return " ".join([own, *(arguments_of(int(child)) for child in children)])


async def decide(url: str) -> None:
    """Payments through the gateway, each with its decision; the first one may have to wait for the worker."""
    headers = {"content-type": "application/json", "deadline-ms": "10000"}
    async with httpx.AsyncClient(timeout=60) as client:
        for number in range(PAYMENTS):
            for _ in range(TRIES_MAX if number == 0 else 1):
                answer = await client.post(f"{url}/v1/decisions", content=payment(number, "a1"), headers=headers)
                assert answer.status_code == 200, answer.text
                if answer.json()["outcome"] != "timeout":
                    break
            assert answer.json()["outcome"] != "timeout"


async def kinds(hooks: WebhookServer) -> set[str]:
    return {taken.type for taken in hooks.taken}


async def read_by_history(history: Path, topic: str) -> int:
    """How many records of a topic the store has behind it."""
    manifest = history / "manifest.json"
    if not manifest.exists():
        return 0
    found = json.loads(manifest.read_text())["topics"].get(topic, {"offsets": {}})
    return sum(found["offsets"].values())


async def test_who_publishes_payments_may_write_and_read_nothing_else(users: PermittedUsers) -> None:
    brokers = users.secure.brokers("publisher")
    async with AIOKafkaProducer(**brokers.options(), request_timeout_ms=10_000) as producer:
        await producer.send_and_wait(users.topics["payments"], payment(0, "a1"), b"a1")
        for name, topic in users.topics.items():
            if name != "payments":
                with pytest.raises(TopicAuthorizationFailedError):
                    await producer.send_and_wait(topic, b"{}", b"a1")
    async with AIOKafkaConsumer(**brokers.options()) as consumer:
        consumer.assign([TopicPartition(users.topics["payments"], 0)])
        await consumer.seek_to_beginning()
        with pytest.raises(TopicAuthorizationFailedError):
            await consumer.getone()


async def test_topics_acls_compares_what_the_cluster_allows_with_what_each_part_needs(users: PermittedUsers) -> None:
    flags = [word for part in PARTS for word in ("--part", part, "--principal", f"{part}=User:{part}")]
    groups = {"cases.group": users.scope.cases_group, "webhooks.group": users.scope.webhooks_group}
    flags += [word for name, value in groups.items() for word in ("--set", f"{name}={value}")]
    alike = users.command("admin", "topics", "acls", "--check", *flags)
    assert (alike.returncode, alike.stderr) == (0, ""), alike.stdout
    assert alike.stdout.splitlines()[-1] == "label-publisher: User:label-publisher has what it needs, and nothing else"
    controls = Acl("WRITE", "topic", users.topics["controls"])
    await allow(users.admin, "publisher", [controls])
    try:
        async with users.without("gateway", *users.needs["gateway"]):
            differing = users.command("admin", "topics", "acls", "--check", "--json", *flags)
    finally:
        await forbid(users.admin, "publisher", [controls])
    assert differing.returncode == 1
    found = {row["part"]: (row["missing"], row["beyond"]) for row in json.loads(differing.stdout)}
    lacking = [f"{acl.operation} topic '{acl.name}'" for acl in users.needs["gateway"]]
    assert {part: row for part, row in found.items() if row != ([], [])} == {
        "gateway": (lacking, []),
        "publisher": ([], [f"WRITE topic '{controls.name}'"]),
    }
    unseen = users.command("worker", "topics", "acls", "--check", "--part", "worker")
    assert (unseen.returncode, unseen.stdout) == (1, "")
    assert "user 'worker' is not authorized to" in unseen.stderr
