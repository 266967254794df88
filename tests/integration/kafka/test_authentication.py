"""Secured clusters: commands work with valid credentials, and name what is wrong in one sentence with invalid ones."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fraudstream.kafka import Brokers
from fraudstream.kafka.connection_diagnosis import refusal, unreachable
from tests.integration.kafka.secure_cluster import SecureCluster, environment_of
from tests.integration.stream.cluster import StreamCluster

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


def fraudstream(brokers: Brokers, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, connected as these settings say."""
    command = [sys.executable, "-m", "fraudstream.cli.main", *arguments]
    environment = os.environ | environment_of(brokers)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)


@pytest.fixture
def of_admin(secure_kafka: SecureCluster) -> Brokers:
    """A connection as the administrator."""
    return secure_kafka.brokers("admin")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
async def test_a_worker_decides_payments_over_sasl_and_tls(
    of_admin: Brokers, mechanism: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = StreamCluster(msgspec.structs.replace(of_admin, mechanism=mechanism), unique_name, tmp_path, kafka=True)
    await cluster.create_topics()
    async with cluster.worker():
        await cluster.publish(range(100))
        assert len(await cluster.decisions(100)) == 100


async def test_every_command_authenticates_by_the_settings(secure_kafka: SecureCluster, of_admin: Brokers) -> None:
    for arguments in (
        ("topics", "apply", "--replication", "1"),
        ("topics", "check", "--replication", "1"),
        ("generate", "--topic", "--speed", "0", "--count", "10"),
        ("dead-letters", "list"),
        ("dead-letters", "replay", "--all"),
    ):
        done = fraudstream(of_admin, *arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments


COMMANDS = [
    ("worker", "--metrics-port", "0"),
    ("cases", "--metrics-port", "0"),
    ("topics", "apply"),
    ("topics", "check"),
    ("generate", "--topic", "--count", "10"),
    ("dead-letters", "list"),
    ("dead-letters", "replay", "--all"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments[:2]))
@pytest.mark.parametrize("wrong", ["password", "authority"])
def test_a_command_that_fails_to_authenticate_ends_at_once_with_one_sentence(
    secure_kafka: SecureCluster, arguments: tuple[str, ...], wrong: str
) -> None:
    brokers = secure_kafka.brokers("worker", "wrong") if wrong == "password" else secure_kafka.trusting_another()
    done = fraudstream(brokers, *arguments)
    # 78: a supervisor of the worker or case agent should not restart it
    assert done.returncode == (78 if arguments[0] in ("worker", "cases") else 1)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("fraudstream: ")
    if wrong == "password":
        assert "SCRAM-SHA-512 authentication failed for user 'worker' at" in last
    else:
        assert "is not trusted" in last
        assert "Set kafka.ssl_cafile" in last


async def test_a_client_certificate_authenticates(secure_kafka: SecureCluster) -> None:
    certified = secure_kafka.certified()
    assert await refusal(certified) is None
    checked = fraudstream(certified, "topics", "check")
    assert "topic" in checked.stdout + checked.stderr  # missing topics or permissions: it was authenticated
    anonymous = Brokers(certified.servers, "SSL", cafile=certified.cafile)
    assert "closed the connection of a client that uses SSL" in await unreachable(anonymous)


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT"])
async def test_a_protocol_that_is_not_the_listeners_is_reported(of_admin: Brokers, protocol: str) -> None:
    sentence = await unreachable(msgspec.structs.replace(of_admin, protocol=protocol))
    assert "Set kafka.security_protocol to that of the broker's listener" in sentence


async def test_tls_to_a_plaintext_listener_is_reported(kafka: str) -> None:
    assert "Set kafka.security_protocol to that of the broker's listener" in await unreachable(Brokers(kafka, "SSL"))
    assert await refusal(Brokers(kafka)) is None
