"""The view in Redis is written after the topic of cases, is rebuilt from it, and never returns to an older version."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace
from redis.asyncio import Redis

from fraudstream.cases import view_writer
from fraudstream.cases.agent import CaseAgent
from fraudstream.cases.grouping import case_id_of, opened
from fraudstream.cases.observer import Unobserved
from fraudstream.cases.priority import urgency
from fraudstream.cases.view import CLOSED_KEPT_S, CaseView
from fraudstream.cli.main import main
from fraudstream.contracts import Case, Evidence, ScorePart
from fraudstream.embedded import embedded_redis
from tests.brokers import on_both_brokers
from tests.integration.cases.case_cluster import CaseCluster, eventually
from tests.unit.cases.events import action, alert, rule

pytestmark = on_both_brokers

FIRST = case_id_of("acc-1", "a1")


@pytest.fixture
async def view(cluster: CaseCluster) -> AsyncIterator[CaseView]:
    view = cluster.view()
    yield view
    await view.close()


class RedisStatus(Unobserved):
    """Records whether the connection to Redis is lost."""

    lost = False

    def on_view(self, *, behind: int, lost: bool) -> None:
        self.lost = lost


@asynccontextmanager
async def running(cluster: CaseCluster, url: str | None = None) -> AsyncIterator[RedisStatus]:
    status = RedisStatus()
    view = CaseView(url) if url else cluster.view()
    agent = CaseAgent(cluster.settings, status, view)
    await agent.start()
    try:
        yield status
    finally:
        await agent.stop()
        assert agent.crash_reason is None


async def test_the_view_has_the_queue_the_case_and_the_account(cluster: CaseCluster, view: CaseView) -> None:
    async with running(cluster):
        await cluster.publish_alerts([alert("a1", severity="low"), alert("b1", "acc-2", severity="critical")])
        queue = await eventually(lambda: view.queue(10), lambda found: len(found) == 2)
        await cluster.publish_actions([action("close", FIRST, disposition="false_positive")])
        left = await eventually(lambda: view.queue(10), lambda found: len(found) == 1)

    assert [case.account_id for case in queue] == ["acc-2", "acc-1"], "the most urgent first"
    assert [case.account_id for case in left] == ["acc-2"]
    closed = await view.case(FIRST)
    assert closed is not None
    assert closed.status == "closed"
    assert await view.of_account("acc-1") == [closed]


async def test_an_emptied_view_is_rebuilt_while_the_agent_runs(cluster: CaseCluster, view: CaseView) -> None:
    async with running(cluster):
        await cluster.publish_alerts([alert("a1"), alert("a2"), alert("b1", "acc-2")])
        await eventually(lambda: view.queue(10), lambda found: sum(case.alert_count for case in found) == 3)
        await view.clear()
        assert await view.queue(10) == []
        await cluster.publish_alerts([alert("b2", "acc-2")])
        queue = await eventually(lambda: view.queue(10), lambda found: sum(case.alert_count for case in found) == 4)

    assert {case.account_id: case.alert_count for case in queue} == {"acc-1": 2, "acc-2": 2}


async def test_an_emptied_view_is_rebuilt_at_the_next_start(cluster: CaseCluster, view: CaseView) -> None:
    async with running(cluster):
        await cluster.publish_alerts([alert("a1")])
        await eventually(lambda: view.queue(10), lambda found: len(found) == 1)
    await view.clear()
    async with running(cluster):
        assert await eventually(lambda: view.case(FIRST), lambda case: case is not None)


@pytest.mark.parametrize("waiting_max", [view_writer.WAITING_MAX, 1])
async def test_the_agent_works_without_redis_and_the_view_catches_up_when_it_is_back(
    cluster: CaseCluster, port: int, waiting_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for all waiting writes, and with so little room that the view must be rebuilt from the topic."""
    monkeypatch.setattr(view_writer, "WAITING_MAX", waiting_max)
    url = f"redis://127.0.0.1:{port}/0"
    async with running(cluster, url) as status:
        await cluster.publish_alerts([alert("a1"), alert("b1", "acc-2")])
        await eventually(cluster.case_events, lambda found: len(found) == 2)
        await eventually(lambda: _lost(status), lambda lost: lost)
        with embedded_redis(port=port):
            view = CaseView(url)
            queue = await eventually(lambda: view.queue(10), lambda found: len(found) == 2)
            await eventually(lambda: _lost(status), lambda lost: not lost)
            await view.close()

    assert {case.account_id for case in queue} == {"acc-1", "acc-2"}


async def test_a_view_of_another_log_is_emptied(cluster: CaseCluster, view: CaseView) -> None:
    await view.put(0, [opened(alert("from another log", "acc-9"))])
    for partition in range(2):
        await view.mark(partition, None, 1_000)
    async with running(cluster):
        await eventually(lambda: view.queue(10), lambda found: not found)
        await cluster.publish_alerts([alert("a1")])
        queue = await eventually(lambda: view.queue(10), lambda found: len(found) == 1)

    assert queue[0].account_id == "acc-1"


async def test_an_older_version_never_overwrites_a_newer_one(view: CaseView) -> None:
    first = opened(alert("a1"))
    closed = replace(first, version=3, status="closed", disposition="false_positive")
    await view.put(0, [closed])
    await asyncio.gather(*(view.put(0, [first]) for _ in range(5)))

    assert await view.case(first.case_id) == closed
    assert await view.queue(10) == []

    reopened = replace(first, version=4)
    await view.put(0, [reopened, first])
    assert await view.queue(10) == [reopened]


async def test_the_queue_is_ordered_by_severity_then_score_then_waiting(view: CaseView) -> None:
    def case(name: str, severity: str, score: float, at: int) -> Case:
        return opened(alert(name, name, severity=severity, score=score, occurred_at_ms=at))

    ordered = [
        case("critical", "critical", 0.1, 9_000_000),
        case("high-90", "high", 0.9, 9_000_000),
        case("high-80-longer", "high", 0.8, 1_000_000),
        case("high-80", "high", 0.8, 2_000_000),
        case("low", "low", 1.0, 0),
    ]
    await view.put(0, ordered[::-1])

    assert await view.queue(10) == ordered
    assert await view.queue(2) == ordered[:2]
    assert all(urgency(each) < 2**53 for each in ordered)


async def test_the_view_has_the_partition_for_actions_on_a_case(view: CaseView) -> None:
    case = opened(alert("a1"))
    await view.put(7, [case])
    assert await view.partition_of(case.case_id) == 7
    assert await view.partition_of("unknown") is None


@pytest.fixture
def port() -> int:
    """A port on which nothing listens yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _lost(status: RedisStatus) -> bool:
    return status.lost


async def test_the_set_of_an_account_expires_with_its_last_closed_case(redis_url: str, cluster: CaseCluster) -> None:
    view, redis = cluster.view(), Redis.from_url(redis_url)
    case = opened(alert("a1", "acc-9"))
    key = f"{cluster.settings.cases_topic}:account:acc-9"
    await view.put(0, [case])
    assert await redis.ttl(key) == -1  # never
    await view.put(0, [replace(case, status="closed", disposition="false_positive", version=2)])
    assert 0 < await redis.ttl(key) <= CLOSED_KEPT_S
    await view.put(0, [replace(case, status="new", disposition=None, version=3)])
    assert await redis.ttl(key) == -1
    await redis.aclose()
    await view.close()


async def test_cases_are_listed_and_shown_from_the_command_line(
    redis_url: str, cluster: CaseCluster, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    view = CaseView(redis_url)
    why = Evidence("amount", ">", "3 * account.mean", "10.00 EUR", "3.00 EUR", 2.33)
    hit = replace(rule("takeover/new_device"), message="10.00 EUR from a new phone", evidence=(why,))
    part = ScorePart("new_device", 0.15, 0.15, "true")
    alerted = alert("a1", "acc of the command line", severity="critical", score=1.0, rules=(), score_parts=(part,))
    alerted = replace(alerted, rules=(hit,))
    deleted = replace(alerted, alert_id="gone", event_id="event-of-gone")
    case = replace(opened(alerted), alerts=(*opened(alerted).alerts, *opened(deleted).alerts), alert_count=2)
    async with AIOKafkaProducer(**cluster.settings.brokers.options()) as producer:
        await producer.send_and_wait(cluster.settings.alerts_topic, msgspec.json.encode(alerted), partition=1)
    await view.put(1, [case])
    flags = {
        "kafka.bootstrap_servers": cluster.settings.brokers.servers,
        "topics.alerts": cluster.settings.alerts_topic,
        "worker.checkpoint_mode": "batch",
    }
    settings = [flag for name, value in flags.items() for flag in ("--set", f"{name}={value}")]

    async def cases(*args: str) -> str:
        assert await asyncio.to_thread(main, ["cases", "--redis-url", redis_url, *args, *settings]) == 0
        return capsys.readouterr().out

    headings, *lines = (await cases("list", "--limit", "1000")).splitlines()
    assert headings.split() == ["CASE", "SEVERITY", "SCORE", "OPENED", "ALERTS", "STATE"]
    at = next(number for number, line in enumerate(lines) if line.startswith(case.case_id[:8]))
    assert " ".join(lines[at].split()[1:]) == "critical 1.0000 1970-01-01T00:00:01Z 2 new"
    assert lines[at + 1] == f"    {case.account_id}: 10.00 EUR: takeover/new_device"
    shown = await cases("show", case.case_id)
    assert "takeover/new_device (medium): 10.00 EUR from a new phone" in shown
    assert "amount > 3 * account.mean  10.00 EUR, threshold 3.00 EUR  +233 %" in shown
    assert "0.1500, at most 0.15  new_device  true" in shown
    assert shown.count("reasons unknown: the alert is no longer on the topic") == 1
    assert max(map(len, shown.splitlines())) <= 80
    assert msgspec.json.decode(await cases("show", case.case_id, "--json"), type=Case) == case
    listed = json.loads(await cases("list", "--account", case.account_id, "--json"))
    assert [each["case_id"] for each in listed] == [case.case_id]

    settings[1] = f"kafka.bootstrap_servers=127.0.0.1:{port}"
    assert "reasons unknown: 127.0.0.1:" in await cases("show", case.case_id)
    assert await asyncio.to_thread(main, ["cases", "show", "no-such-case", "--redis-url", redis_url]) == 1
    assert "the view has no case no-such-case" in capsys.readouterr().err
    await view.clear()
    await view.close()
