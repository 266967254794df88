"""The case agent refuses a broker without transactions, waits for one that is down, and logs each in one sentence."""

import asyncio
import subprocess
from pathlib import Path

from tests.integration.cases.agent_process import agent_process
from tests.integration.cases.case_cluster import WAIT_S, CaseCluster

REFUSED = 78


async def test_the_mode_transaction_is_refused_on_a_broker_without_transactions(
    cluster: CaseCluster, tmp_path: Path
) -> None:
    with (
        (tmp_path / "log").open("wb") as log,
        agent_process(cluster, {"worker.checkpoint_mode": "transaction"}, log) as agent,
    ):
        assert await ended(agent) == REFUSED
    said = (tmp_path / "log").read_text()
    assert (
        "does not support transactions (it is not Apache Kafka). Set worker.checkpoint_mode=batch"
        in said.splitlines()[-1]
    )
    assert "Traceback" not in said


async def test_the_agent_waits_for_a_broker_that_is_down_until_it_is_asked_to_stop(
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
    """Its exit code, once it has ended. Raises `TimeoutError` after `WAIT_S`."""
    return await asyncio.wait_for(asyncio.to_thread(process.wait), WAIT_S)
