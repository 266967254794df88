"""Fixtures for all tests: one embedded broker and one embedded Redis a session, and Apache Kafka where there is one.

`kafka`-marked tests run against the broker that FRAUDSTREAM_TEST_KAFKA=host:port names, and are skipped without it.
Brokers are shared by all tests of a session: take topic and group names from `unique_name`.
"""

import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from fraudstream.embedded import embedded_broker, embedded_redis

KAFKA_VARIABLE = "FRAUDSTREAM_TEST_KAFKA"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get(KAFKA_VARIABLE):
        return
    for item in items:
        if item.get_closest_marker("kafka"):
            item.add_marker(pytest.mark.skip(reason=f"needs Apache Kafka: set {KAFKA_VARIABLE}=host:port"))


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """`host:port` of an embedded broker."""
    with embedded_broker() as address:
        yield address


@pytest.fixture(scope="session")
def kafka() -> str:
    """`host:port` of Apache Kafka, for tests marked `kafka`."""
    return os.environ[KAFKA_VARIABLE]


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of an embedded Redis, shared by the session: use keys of your own or empty it first."""
    with embedded_redis() as url:
        yield url


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """`unique_name("payments")`: a name no other test uses, for a topic, a group or an app id."""
    suffix = uuid.uuid4().hex[:12]
    return lambda prefix: f"{prefix}-{suffix}"
