"""`fraudstream cases` as a process of its own, on the topics of a test."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from tests.integration.cases.case_cluster import CaseCluster


@contextmanager
def agent_process(
    cluster: CaseCluster,
    other: Mapping[str, object] | None = None,
    log: int | IO[bytes] = subprocess.DEVNULL,
    secrets: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, started; killed when the block ends if it still runs. `other`: settings that replace ours;
    `secrets`: variables of its environment."""
    s = cluster.settings
    settings = {
        "kafka.bootstrap_servers": s.brokers,
        "redis.url": s.redis_url,
        "cases.group": s.group,
        "worker.checkpoint_mode": "transaction" if s.fenced else "batch",
        "worker.session_timeout_s": s.session_timeout_s,
        "metrics.cases_port": 0,
        "topics.alerts": s.alerts_topic,
        "topics.case_actions": s.case_actions_topic,
        "topics.case_answers": s.case_answers_topic,
        "topics.notices": s.notices_topic,
        "topics.notice_answers": s.notice_answers_topic,
        "topics.cases": s.cases_topic,
        "topics.payments": s.payments_topic,
        "topics.dead_letters": s.dead_letters_topic,
    }
    flags = [part for name, value in (settings | dict(other or {})).items() for part in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "fraudstream.cli.main", "cases", *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAUDSTREAM_")}
    process = subprocess.Popen(command, env=environment | dict(secrets or {}), stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
