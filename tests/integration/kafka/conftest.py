"""A secure broker for the session."""

from collections.abc import Iterator

import pytest

from tests.integration.kafka.secure_cluster import SecureCluster, secure_cluster


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    """Apache Kafka with SASL_SSL, client certificates and ACLs, for tests marked `kafka`."""
    with secure_cluster(tmp_path_factory.mktemp("secure-kafka")) as cluster:
        yield cluster
