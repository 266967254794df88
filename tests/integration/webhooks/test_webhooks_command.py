"""`fraudstream webhooks` as a process that is killed while events are on their way: none is lost."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
from aiohttp import web

from fraudstream.cli.main import main
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.integration.cases.running_agent import running_agent
from tests.integration.stream.process import ChildProcess
from tests.unit.cases.events import alert
from tests.unit.webhooks.webhook_server import SECRET, SECRET_TEXT, Taken, WebhookServer, webhook_server

CASES = 30


def file_of(server: WebhookServer, directory: Path) -> Path:
    (directory / "secret").write_text(SECRET_TEXT)
    path = directory / "webhooks.yaml"
    path.write_text(
        f"version: 1\nendpoints:\n  - name: tool\n    url: {server.url}\n    events: [case.opened]\n"
        "    secret_file: secret\n    from_beginning: true\n"
    )
    return path


async def test_a_killed_process_loses_no_event_and_its_metrics_are_served(
    broker: str, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    cluster = CaseCluster(broker, redis_url, unique_name)
    await cluster.create_topics()
    s, log = cluster.settings, tmp_path / "log"

    async def slowly(_: Taken) -> web.Response:
        await asyncio.sleep(0.1)
        return web.Response(status=200)

    async with webhook_server() as server, running_agent(cluster):
        server.answer = slowly
        settings = {
            "kafka.bootstrap_servers": s.brokers,
            "worker.checkpoint_mode": "batch",
            "worker.session_timeout_s": 2,
            "webhooks.group": f"{s.group}-hooks",
            "metrics.webhooks_port": 0,
            "topics.cases": s.cases_topic,
            "topics.alerts": s.alerts_topic,
            "topics.dead_letters": s.dead_letters_topic,
        }
        flags = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        command = [sys.executable, "-m", "fraudstream.cli.main", "webhooks", "--file", str(file_of(server, tmp_path))]
        await cluster.publish_alerts([alert(f"a{number}", f"acc-{number}") for number in range(CASES)])
        await eventually(cluster.cases, lambda found: len(found) == CASES)
        process = ChildProcess([*command, *flags], log)
        try:
            await eventually(lambda: taken(server), lambda found: found >= 5)
            process.kill()
            process = ChildProcess([*command, *flags], log)
            await eventually(lambda: taken(server), lambda found: found == CASES)
            url = log.read_text().rpartition("metrics at ")[2].split()[0]
            metrics = (await asyncio.to_thread(httpx.get, url)).text
            assert 'fraudstream_webhooks_delivered_total{endpoint="tool",event="case.opened"}' in metrics
            await process.stop()
        finally:
            process.kill()
        assert all(each.is_signed_by(SECRET) for each in server.taken)
        assert SECRET_TEXT not in log.read_text()
    assert await asyncio.to_thread(main, ["webhooks", "check", "--file", str(tmp_path / "webhooks.yaml")]) == 0


async def taken(server: WebhookServer) -> int:
    return len({each.event_id for each in server.taken})
