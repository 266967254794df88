"""The case agent refuses a broker that does not fit, waits for one that is away, and says so in a sentence."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.cases.agent_process import agent_process
from tests.integration.cases.cluster import WAIT_S, CaseCluster

REFUSED = 78


@pytest.fixture
async def cluster(broker: str, redis_url: str, unique_name: Callable[[str], str]) -> CaseCluster:
    cluster = CaseCluster(broker, redis_url, unique_name)
    await cluster.create_topics()
    return cluster


async def test_a_broker_without_transactions_is_told_from_apache_kafka(cluster: CaseCluster, tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("wb") as log,
        agent_process(cluster, {"worker.checkpoint_mode": "transaction"}, log) as agent,
    ):
        assert await ended(agent) == REFUSED
    said = (tmp_path / "log").read_text()
    assert "has no transactions (it is no Apache Kafka). Set worker.checkpoint_mode=batch" in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_a_broker_that_is_away_is_waited_for_until_the_agent_is_asked_to_stop(
    cluster: CaseCluster, tmp_path: Path
) -> None:
    with (
        (tmp_path / "log").open("wb") as log,
        agent_process(cluster, {"kafka.bootstrap_servers": "127.0.0.1:1"}, log) as agent,
    ):
        async with asyncio.timeout(WAIT_S):
            while "no broker answers at 127.0.0.1:1, for" not in (tmp_path / "log").read_text():
                assert agent.poll() is None, (tmp_path / "log").read_text()
                await asyncio.sleep(0.05)
        agent.terminate()
        assert await ended(agent) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.wait_for(asyncio.to_thread(process.wait), WAIT_S)
