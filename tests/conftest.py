"""Fixtures for all tests: one embedded broker and one embedded Redis a session, and Apache Kafka where there is one.

`kafka`-marked tests run against the broker that FRAUDSTREAM_TEST_KAFKA=host:port names; without it they are left out,
and the end of the run says so.
Brokers are shared by all tests of a session: take topic and group names from `unique_name`.
"""

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from fraudstream.embedded import embedded_broker, embedded_redis

settings.register_profile("untimed", deadline=None)  # tests don't time: a busy machine is no fault
settings.load_profile("untimed")

KAFKA_VARIABLE = "FRAUDSTREAM_TEST_KAFKA"
LEFT_OUT = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get(KAFKA_VARIABLE):
        return
    left_out = [item for item in items if item.get_closest_marker("kafka")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    config.stash[LEFT_OUT] = len(left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(
            f"left out {count} tests that need Apache Kafka: `make test-kafka` starts one and runs them"
        )


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
