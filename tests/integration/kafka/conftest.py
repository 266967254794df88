"""A secure broker for the session, and a world on the plain one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.kafka.secure_cluster import SecureCluster, secure_cluster
from tests.integration.stream.world import World


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    """Apache Kafka with SASL_SSL, client certificates and ACLs, for tests marked `kafka`."""
    with secure_cluster(tmp_path_factory.mktemp("secure-kafka")) as cluster:
        yield cluster


@pytest.fixture
async def world(kafka: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(kafka, unique_name, tmp_path, kafka=True)
    await world.create_topics()
    return world
