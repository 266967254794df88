"""Worlds for the tests: on the embedded broker, and on Apache Kafka where there is one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.stream.world import World


@pytest.fixture
async def world(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(broker, unique_name, tmp_path)
    await world.create_topics()
    return world


@pytest.fixture
async def kafka_world(kafka: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(kafka, unique_name, tmp_path, kafka=True)
    await world.create_topics()
    return world
