"""Fixtures of tests that work cases by the command line's parts: topics on each broker, and the view of cases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from fraudstream.cases.view import CaseView
from tests.brokers import SelectedBroker
from tests.integration.cases.case_cluster import CaseCluster


@pytest.fixture
async def cluster(selected_broker: SelectedBroker, redis_url: str, unique_name: Callable[[str], str]) -> CaseCluster:
    """A cluster whose topics exist, on the broker that the test's mark selects."""
    cluster = CaseCluster(selected_broker.servers, redis_url, unique_name, selected_broker.is_kafka)
    await cluster.create_topics()
    return cluster


@pytest.fixture
async def view(redis_url: str) -> AsyncIterator[CaseView]:
    """The view under the keys that the command line reads."""
    view = CaseView(redis_url)
    await view.clear()
    yield view
    await view.clear()
    await view.close()
