"""The broker goes away under running workers, for longer than their session, and comes back.

Invariant: every payment is judged once (`assert_counted_once`), whatever was under way. Method: an own Kafka, killed by
-9 with payments in it that are not judged yet. Limits: one broker; an absence that outlasts the producers' patience of
30 s, after which workers leave and their supervisor starts them again, takes too long here: see the fault suite.
"""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from fraudstream.stream.failure import EXIT_CODE
from tests.integration.own_kafka import own_kafka
from tests.integration.stream.world import WAIT_S, Process, World, assert_counted_once

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


async def test_payments_are_judged_once_though_the_broker_was_away_for_longer_than_the_session(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    with own_kafka(tmp_path / "kafka") as broker:
        world = World(broker.address, unique_name, tmp_path, kafka=True)
        await world.create_topics()
        supervisor = world.start_process("supervisor", {"worker.processes": "2"})
        try:
            await world.publish(range(1000))
            await world.decisions(1000)
            await until_page(supervisor, "/readyz", "ok")
            await world.publish(range(1000, 5000))
            await asyncio.to_thread(broker.kill)
            await until_page(supervisor, "/readyz", r"no broker has answered for \d+ s")
            await supervisor.says("no broker answers at")
            await supervisor.says("for 10 s now")  # the session is 6
            assert await page(supervisor, "/healthz") == "ok"
            await asyncio.to_thread(broker.start_again)
            await until_page(supervisor, "/readyz", "ok")
            await world.publish(range(5000, 6000))
            await world.decisions(6000)
            assert_counted_once(await world.alerts(5980), 6000)
            await supervisor.stop(0, EXIT_CODE)  # a worker that joins late is fenced, and may be about to leave
        finally:
            supervisor.kill()
        said = supervisor.log.read_text()
        assert "Traceback" not in said
        assert said.count("Unable connect to node") < 20  # of hundreds of tries


async def page(supervisor: Process, path: str) -> str:
    """What the worker whose metrics port was told last answers."""
    url = re.findall(r"metrics at (\S+)/metrics", supervisor.log.read_text())[-1]

    def get() -> str:
        try:
            with urllib.request.urlopen(f"{url}{path}", timeout=10) as answer:
                return str(answer.read().decode()).strip()
        except urllib.error.HTTPError as error:
            return str(error.read().decode()).strip()
        except OSError as error:
            return repr(error)

    return await asyncio.to_thread(get)


async def until_page(supervisor: Process, path: str, says: str) -> None:
    said = ""
    try:
        async with asyncio.timeout(WAIT_S):
            while re.fullmatch(says, said := await page(supervisor, path)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{path} says '{said}', not '{says}':\n{supervisor.log.read_text()}") from None
