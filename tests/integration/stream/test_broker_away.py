"""The broker is down for longer than the workers' session, and comes back.

Invariant: every payment is counted once (`assert_counted_once`), whatever was in flight. Method: a Kafka of the test's
own, killed by SIGKILL while payments in it are not decided yet. Limits: one broker. An outage longer than the
producers' timeout of 30 s, after which workers exit and the supervisor restarts them, is left to the fault suite.
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
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import assert_counted_once
from tests.integration.stream.process import WAIT_S, ChildProcess

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


async def test_payments_are_counted_once_though_the_broker_was_down_for_longer_than_the_session(
    kafka: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    with own_kafka(tmp_path / "kafka") as broker:
        cluster = StreamCluster(broker.address, unique_name, tmp_path, kafka=True)
        await cluster.create_topics()
        supervisor = cluster.start_process("supervisor", {"worker.processes": "2"})
        try:
            await cluster.publish(range(1000))
            await cluster.decisions(1000)
            await until_page(supervisor, "/readyz", "ok")
            await cluster.publish(range(1000, 5000))
            await asyncio.to_thread(broker.kill)
            await until_page(supervisor, "/readyz", r"no broker has answered for \d+ s")
            await supervisor.logs("no broker answers at")
            await supervisor.logs("for 10 s now")  # the session is 6
            assert await page(supervisor, "/healthz") == "ok"
            await asyncio.to_thread(broker.restart)
            await until_page(supervisor, "/readyz", "ok")
            await cluster.publish(range(5000, 6000))
            await cluster.decisions(6000)
            assert_counted_once(await cluster.alerts(5980), 6000)
            await supervisor.stop(0, EXIT_CODE)  # a worker that joins late is fenced, and may be exiting
        finally:
            supervisor.kill()
        log = supervisor.log.read_text()
        assert "Traceback" not in log
        assert log.count("Unable connect to node") < 20  # of hundreds of attempts


async def page(supervisor: ChildProcess, path: str) -> str:
    """The answer of the worker whose metrics URL was logged last; an error as text."""
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


async def until_page(supervisor: ChildProcess, path: str, pattern: str) -> None:
    """Wait until the answer of `page` matches `pattern`."""
    text = ""
    try:
        async with asyncio.timeout(WAIT_S):
            while re.fullmatch(pattern, text := await page(supervisor, path)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{path} answers '{text}', not '{pattern}':\n{supervisor.log.read_text()}") from None
