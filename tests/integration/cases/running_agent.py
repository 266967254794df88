"""A case agent beside a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.view import CaseView
from tests.integration.cases.case_cluster import CaseCluster


@asynccontextmanager
async def running_agent(cluster: CaseCluster) -> AsyncIterator[None]:
    """Runs until the block ends, and has not failed by then."""
    agent = CaseAgent(cluster.settings, view=CaseView(cluster.settings.redis_url))
    await agent.start()
    try:
        yield
    finally:
        await agent.stop()
        assert agent.crash_reason is None
