"""`fraudstream explain`, run on the topics of a test."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fraudstream.cli.main import main
from tests.integration.stream.cluster import StreamCluster


class ExplainCommand:
    """Calls of the command within this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def __call__(self, cluster: StreamCluster, *args: str, rules: Path | None = None) -> tuple[int, str]:
        """Exit code and output, stderr after stdout; `rules`: another directory than the cluster's."""
        s = cluster.settings
        settings = {
            "kafka.bootstrap_servers": cluster.broker,
            "rules.directory": rules or cluster.directory,
            "worker.group": s.group,
            "worker.checkpoint_mode": s.checkpoint_mode,
            "topics.payments": s.payments_topic,
            "topics.alerts": s.alerts_topic,
            "topics.decisions": s.decisions_topic,
            "topics.controls": s.controls_topic,
            "topics.dead_letters": s.dead_letters_topic,
        }
        flags = [flag for name, value in settings.items() for flag in ("--set", f"{name}={value}")]
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, ["explain", *args, *flags])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    async def json(self, cluster: StreamCluster, *args: str) -> Any:
        """The output of `--json`."""
        return json.loads((await self(cluster, *args, "--json"))[1])
