"""The topics of a test of the stream, on the broker that its marks select."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.brokers import SelectedBroker
from tests.integration.stream.cluster import StreamCluster


@pytest.fixture
async def cluster(selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    """A cluster of one stage with its topics created."""
    cluster = StreamCluster(selected_broker.servers, unique_name, tmp_path, selected_broker.is_kafka)
    await cluster.create_topics()
    return cluster
