"""A collection after the start looks at what the process has made since, not at what it has loaded."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from fraudstream.supervision.garbage_collection import keep_loaded_objects


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    """Without this, no object of the tests before would be freed."""
    yield
    gc.unfreeze()


def test_what_is_loaded_is_not_looked_at_again() -> None:
    loaded = [[number] for number in range(1_000)]
    keep_loaded_objects()
    looked_at = {id(each) for each in gc.get_objects()}
    assert not any(id(each) in looked_at for each in loaded)


def test_garbage_that_was_made_since_is_freed() -> None:
    keep_loaded_objects()
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1
