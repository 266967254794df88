"""Clusters for the tests of cases: the embedded broker in plain mode, Apache Kafka, where there is one, with
fencing."""

from collections.abc import Callable

import pytest

from tests.integration.cases.cluster import CaseCluster


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def cluster(request: pytest.FixtureRequest, redis_url: str, unique_name: Callable[[str], str]) -> CaseCluster:
    fenced = request.param == "kafka"
    broker = request.getfixturevalue("kafka" if fenced else "broker")
    cluster = CaseCluster(broker, redis_url, unique_name, fenced)
    await cluster.create_topics()
    return cluster
