"""Fixtures for all tests: one embedded broker and one embedded Redis a session, and Apache Kafka where there is one.

`kafka`-marked tests run on the broker that FRAUDSTREAM_TEST_KAFKA=host:port names, `browser`-marked tests in the
Chromium that FRAUDSTREAM_TEST_CHROMIUM names or the path has. Without them they are deselected, and the summary of the
run says how many.
Tests of a session share the brokers: take topic and group names from `unique_name`. `tests/brokers.py` has the marks
that run a test on Apache Kafka, or on both brokers.
"""

import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from fraudstream.compiled.direct import CHECK_TYPES
from fraudstream.embedded import embedded_broker, embedded_redis
from tests.brokers import EMBEDDED, KAFKA, SelectedBroker

settings.register_profile("untimed", deadline=None)  # a slow machine must not fail a test
settings.load_profile("untimed")

os.environ[CHECK_TYPES] = "1"  # for the processes that tests start, too

KAFKA_VARIABLE = "FRAUDSTREAM_TEST_KAFKA"
REGISTRY_VARIABLE = "FRAUDSTREAM_TEST_REGISTRY"
CHROMIUM_VARIABLE = "FRAUDSTREAM_TEST_CHROMIUM"
# By mark: how to have the tests run.
MISSING = {
    "kafka": "tests that need Apache Kafka: `make test-kafka` starts a broker and runs them",
    "registry": f"tests that need a schema registry: `make test-kafka` starts one, or name it in {REGISTRY_VARIABLE}",
    "browser": f"tests that need Chromium: install it, or name it in {CHROMIUM_VARIABLE}",
}
DESELECTED = pytest.StashKey[dict[str, int]]()


def chromium_path() -> str | None:
    """The Chromium to test with; None if there is none."""
    return os.environ.get(CHROMIUM_VARIABLE) or shutil.which("chromium")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests whose broker or browser is missing."""
    present = {
        "kafka": os.environ.get(KAFKA_VARIABLE),
        "registry": os.environ.get(REGISTRY_VARIABLE),
        "browser": chromium_path(),
    }
    config.stash[DESELECTED] = {}
    for mark in (mark for mark, found in present.items() if not found):
        deselected = [item for item in items if item.get_closest_marker(mark)]
        items[:] = [item for item in items if item not in deselected]
        config.hook.pytest_deselected(items=deselected)
        config.stash[DESELECTED][mark] = len(deselected)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many tests were deselected for want of a broker or a browser."""
    for mark, count in config.stash.get(DESELECTED, {}).items():
        if count:
            terminalreporter.write_line(f"deselected {count} {MISSING[mark]}")


@pytest.fixture(autouse=True)
def logs_of_the_test() -> Iterator[None]:
    """What a command sets up for logs ends with its test: else later logs go to the closed stream of its output."""
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    yield
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler and each not in before]:
        root.removeHandler(handler)
    root.setLevel(level)


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
def chromium() -> str:
    """The path of Chromium, for tests marked `browser`."""
    found = chromium_path()
    assert found is not None
    return found


@pytest.fixture
def selected_broker(request: pytest.FixtureRequest) -> SelectedBroker:
    """The broker that a mark of `tests/brokers.py` selects; without a mark, the embedded one."""
    if getattr(request, "param", EMBEDDED) == KAFKA:
        return SelectedBroker(request.getfixturevalue("kafka"), is_kafka=True)
    return SelectedBroker(request.getfixturevalue("broker"), is_kafka=False)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of an embedded Redis, shared by the session: use keys of your own or empty it first."""
    with embedded_redis() as url:
        yield url


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """`unique_name("payments")`: a name that no other test uses, for a topic, a group or an app id."""
    suffix = uuid.uuid4().hex[:12]
    return lambda prefix: f"{prefix}-{suffix}"
