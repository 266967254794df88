"""`fraudstream cases …` on the topics of a cluster, with a case agent beside it."""

from __future__ import annotations

import asyncio

import pytest

from fraudstream.cases.view import CaseView
from fraudstream.cli.main import main
from fraudstream.contracts import Case
from tests.integration.cases.case_cluster import CaseCluster, eventually


async def case_of(view: CaseView, account_id: str) -> Case:
    (case,) = await eventually(lambda: view.of_account(account_id), lambda found: len(found) == 1)
    return case


class CaseCommands:
    """Runs `fraudstream cases …` on the topics of a cluster; returns the exit code and what it printed."""

    def __init__(self, cluster: CaseCluster, capsys: pytest.CaptureFixture[str]) -> None:
        s = cluster.settings
        settings = {
            "kafka.bootstrap_servers": s.brokers.servers,
            "redis.url": s.redis_url,
            "cases.group": s.group,
            "worker.checkpoint_mode": "transaction" if s.fenced else "batch",
            "topics.alerts": s.alerts_topic,
            "topics.case_actions": s.case_actions_topic,
            "topics.case_answers": s.case_answers_topic,
            "topics.notices": s.notices_topic,
            "topics.notice_answers": s.notice_answers_topic,
            "topics.cases": s.cases_topic,
            "topics.payments": s.payments_topic,
        }
        self._capsys = capsys
        self.flags = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]

    async def __call__(self, *args: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, ["cases", *args, *self.flags])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err
