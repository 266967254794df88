"""A whole console for a test: embedded broker and Redis, the case agent, and `fraudstream console` as a process."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from argon2 import PasswordHasher
from redis.asyncio import Redis

from fraudstream.cases.view import CaseView
from fraudstream.console.access.roles import Role
from fraudstream.console.access.users import User, UserStore
from tests.integration.cases.case_cluster import CaseCluster
from tests.integration.cases.running_agent import running_agent
from tests.integration.stream.process import ChildProcess

FILE_BYTES_MAX = 200_000
PASSWORD = "correct horse battery"
_COMMAND = (sys.executable, "-m", "fraudstream.cli.main")
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


class RunningConsole:
    """`url`: where it serves. `pid`: its process. `cluster`: publishes alerts, reads topics. `history`: the directory
    of its history."""

    def __init__(
        self, url: str, pid: int, cluster: CaseCluster, users: UserStore, view: CaseView, history: Path
    ) -> None:
        self.url, self.pid, self.cluster, self.view, self.history = url, pid, cluster, view, history
        self._users = users

    async def add_user(self, name: str, role: Role) -> None:
        """A user with `PASSWORD`."""
        await self._users.put(User(name, role, _HASH))


@asynccontextmanager
async def running_console(
    cluster: CaseCluster, log: Path, more: Sequence[str] = (), *, agent_process: bool = False
) -> AsyncIterator[RunningConsole]:
    """The console of a cluster whose topics exist, up to date. `more`: flags that replace settings of it.
    `agent_process`: the case agent is a process of its own, not in this one. Asserts that both stop in order."""
    s, history = cluster.settings, log.parent / "history"
    audit_topic = f"{s.cases_topic}-audit"
    settings = {
        "kafka.bootstrap_servers": s.brokers,
        "redis.url": s.redis_url,
        "cases.group": s.group,
        "worker.checkpoint_mode": "batch",
        "console.port": 0,
        "console.may_activate": "true",
        "history.directory": history,
        "evidence.directory": log.parent / "evidence",
        "evidence.file_bytes_max": FILE_BYTES_MAX,
        "topics.payments": s.payments_topic,
        "topics.alerts": s.alerts_topic,
        "topics.case_actions": s.case_actions_topic,
        "topics.case_answers": s.case_answers_topic,
        "topics.cases": s.cases_topic,
        "topics.notices": s.notices_topic,
        "topics.notice_answers": s.notice_answers_topic,
        "topics.dead_letters": s.dead_letters_topic,
        "topics.audit": audit_topic,
        "topics.controls": controls_of(cluster),
    }
    flags = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    await cluster.create_topics([audit_topic], partitions=1)
    view, redis = CaseView(s.redis_url), Redis.from_url(s.redis_url, decode_responses=True)
    await view.clear()
    process = ChildProcess([*_COMMAND, "console", *flags, *more], log)
    try:
        async with _agent_process(flags, log.parent / "agent.log") if agent_process else running_agent(cluster):
            await process.logs("the queue is up to date")
            yield RunningConsole(_url_in(log), process.pid, cluster, UserStore(redis), view, history)
            await process.stop()
    finally:
        process.kill()
        async for key in redis.scan_iter(match="fraudstream:console:*"):
            await redis.delete(key)
        await view.clear()
        await asyncio.gather(view.close(), redis.aclose())


@asynccontextmanager
async def _agent_process(flags: Sequence[str], log: Path) -> AsyncIterator[None]:
    process = ChildProcess([*_COMMAND, "cases", *flags], log)
    try:
        await process.logs("grouping alerts")
        yield
        await process.stop()
    finally:
        process.kill()


def controls_of(cluster: CaseCluster) -> str:
    """The topic of controls that the console of this cluster reads."""
    return f"{cluster.settings.cases_topic}-controls"


def _url_in(log: Path) -> str:
    found = re.search(r"console at (http://\S+)", log.read_text())
    assert found is not None
    return found[1]
