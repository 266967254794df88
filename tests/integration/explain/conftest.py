"""The topics of a test of `fraudstream explain`, on the broker that its marks select, and the command."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.brokers import SelectedBroker
from tests.integration.explain.explain_command import ExplainCommand
from tests.integration.stream.cluster import StreamCluster


@pytest.fixture
async def cluster(selected_broker: SelectedBroker, unique_name: Callable[[str], str], tmp_path: Path) -> StreamCluster:
    """A cluster of one stage; its rules are in a directory below `tmp_path`."""
    cluster = StreamCluster(selected_broker.servers, unique_name, tmp_path / "rules", selected_broker.is_kafka)
    await cluster.create_topics()
    return cluster


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str]) -> ExplainCommand:
    """The command."""
    return ExplainCommand(capsys)
