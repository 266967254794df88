"""The topics of a test of cases, on the broker that its marks select: with fencing on Apache Kafka, without on the
embedded broker."""

from collections.abc import Callable

import pytest

from tests.brokers import SelectedBroker
from tests.integration.cases.case_cluster import CaseCluster


@pytest.fixture
async def cluster(selected_broker: SelectedBroker, redis_url: str, unique_name: Callable[[str], str]) -> CaseCluster:
    """A cluster with its topics created."""
    cluster = CaseCluster(selected_broker.servers, redis_url, unique_name, fenced=selected_broker.is_kafka)
    await cluster.create_topics()
    return cluster
