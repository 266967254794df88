"""The schema registry of the tests."""

from __future__ import annotations

import os

import pytest

from tests.integration.bridge.registry import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry(os.environ["FRAUDSTREAM_TEST_REGISTRY"])
