"""The gateways of a test, on the broker that its marks select."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from tests.brokers import SelectedBroker
from tests.integration.gateway.gateway_cluster import GatewayCluster, gateway_cluster


@pytest.fixture
async def cluster(
    selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[GatewayCluster]:
    """Topics of one stage."""
    cluster = await gateway_cluster(selected_broker, unique_name, tmp_path)
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Sends requests."""
    async with httpx.AsyncClient() as client:
        yield client
