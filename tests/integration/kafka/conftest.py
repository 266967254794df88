"""A secured broker for the session, and the topics of a test on a broker without security."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.brokers import SelectedBroker
from tests.integration.kafka.secure_cluster import SecureCluster, secure_cluster
from tests.integration.stream.cluster import StreamCluster


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    """Apache Kafka with SASL_SSL, client certificates and ACLs, for tests marked `kafka`."""
    with secure_cluster(tmp_path_factory.mktemp("secure-kafka")) as cluster:
        yield cluster


@pytest.fixture
async def cluster(selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    """A cluster of one stage on the broker without security that the test's marks select."""
    cluster = StreamCluster(selected_broker.servers, unique_name, tmp_path, selected_broker.is_kafka)
    await cluster.create_topics()
    return cluster
