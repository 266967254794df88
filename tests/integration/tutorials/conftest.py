"""One `fraudstream up` for all tutorials, as they start it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.tutorials.tutorial import RunningUp


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    directory: Path = tmp_path_factory.mktemp("tutorials")
    with RunningUp(directory) as running:
        yield running
