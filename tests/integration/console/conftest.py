"""A console on the session's broker and Redis."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.cases.case_cluster import CaseCluster
from tests.integration.console.running_console import RunningConsole, running_console


@pytest.fixture
async def console(
    broker: str, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningConsole]:
    cluster = CaseCluster(broker, redis_url, unique_name)
    await cluster.create_topics()
    async with running_console(cluster, tmp_path / "console.log") as console:
        yield console
