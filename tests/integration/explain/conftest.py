"""Worlds, as for the tests of the stream, and the command on them."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fraudstream.cli.main import main
from tests.integration.stream.world import World


@pytest.fixture
async def world(broker: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(broker, unique_name, tmp_path / "rules")
    await world.create_topics()
    return world


@pytest.fixture
async def kafka_world(kafka: str, unique_name: Callable[[str], str], tmp_path: Path) -> World:
    world = World(kafka, unique_name, tmp_path / "rules", kafka=True)
    await world.create_topics()
    return world


class Explain:
    """`fraudstream explain` on the topics of a world."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def __call__(self, world: World, *args: str, rules: Path | None = None) -> tuple[int, str]:
        s = world.settings
        settings = {
            "kafka.bootstrap_servers": world.broker,
            "rules.directory": rules or world.directory,
            "worker.group": s.group,
            "worker.checkpoint_mode": s.checkpoint_mode,
            "topics.payments": s.payments_topic,
            "topics.alerts": s.alerts_topic,
            "topics.decisions": s.decisions_topic,
            "topics.controls": s.controls_topic,
        }
        flags = [flag for name, value in settings.items() for flag in ("--set", f"{name}={value}")]
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, ["explain", *args, *flags])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    async def json(self, world: World, *args: str) -> Any:
        return json.loads((await self(world, *args, "--json"))[1])


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str]) -> Explain:
    return Explain(capsys)
