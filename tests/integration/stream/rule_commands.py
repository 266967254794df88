"""The commands that activate rules and edit lists, run on the topics of a test."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fraudstream.cli.main import main
from fraudstream.contracts import Decision
from fraudstream.contracts.headers import SOURCE_HEADER, source_of
from fraudstream.stream.checkpoints.last_checkpoint import last_checkpoints
from fraudstream.stream.settings import StageForm
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.list_rules import NEW, OLD
from tests.integration.stream.process import WAIT_S
from tests.integration.stream.rules import write_rules
from tests.integration.stream.topic_output import decision_of, judged, payments_decided

ExitAndOutput = tuple[int, str, str]  # exit code, stdout, stderr


class RuleCommands:
    """`fraudstream rules` and `fraudstream lists` on a cluster that runs `list_rules.OLD`.

    `old`, `new`: directories that hold `list_rules.OLD` and `list_rules.NEW`.
    """

    def __init__(self, cluster: StreamCluster, capsys: pytest.CaptureFixture[str]) -> None:
        self.cluster, self._capsys = cluster, capsys
        self.old = write_rules(cluster.directory, OLD)
        self.new = write_rules(cluster.directory / "beside" / "new", NEW)

    async def run(self, *words: str) -> ExitAndOutput:
        """Run a command; returns its exit code, stdout and stderr."""
        code = await asyncio.to_thread(main, [*words, *self.cluster.flags()])
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err

    async def run_json(self, *words: str) -> Any:
        """Run a command as user `r.holm`, assert that it exits with 0, and return its JSON."""
        by = () if words == ("rules", "active") else ("--by", "r.holm")
        code, out, err = await self.run(*words, "--json", *by)
        assert code == 0, err
        return json.loads(out)

    async def decisions(self, payments: int) -> list[tuple[int, int, Decision]]:
        """Once so many payments are decided: every decision, with the partition and the offset of its payment."""
        records = await self.cluster.records(self.cluster.settings.decisions_topic, payments_decided(payments))
        found = []
        for record in judged(records):
            source = source_of(dict(record.headers)[SOURCE_HEADER])
            assert source is not None
            found.append((int(source[0]), source[1], decision_of(record)))
        return found

    async def in_force(self, digest: str) -> None:
        """Wait until the checkpoint of every partition names this rule set."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = (await last_checkpoints(self.cluster.settings)).values()
                if {checkpoint and checkpoint.rule_set for checkpoint in found} == {digest}:
                    return
                await asyncio.sleep(0.1)


async def activate_when_backfilled(
    cluster: StreamCluster, rules: Path, capsys: pytest.CaptureFixture[str], stages: StageForm | None = None
) -> dict[int, int]:
    """Run `rules activate` for state version 2 until its state is backfilled and the command succeeds.

    `stages`: the form of version 2, None: that of the cluster. Returns, by partition of the payments topic, the offset
    of the switch.
    """
    command = ["rules", "activate", str(rules), "--skip-tests", "--json", "--by", "r.holm"]
    assert await asyncio.to_thread(main, [*command, *cluster.flags()]) == 1
    assert "set worker.state_version to 2, and run" in capsys.readouterr().err
    flags = cluster.flags({"worker.state_version": "2", "worker.stages": stages or cluster.settings.stages})
    async with asyncio.timeout(WAIT_S):
        while await asyncio.to_thread(main, [*command, *flags]) != 0:
            assert "has no state of" in capsys.readouterr().err
    offsets = msgspec.json.decode(capsys.readouterr().out)["offsets"]
    return {int(number): offset for number, offset in offsets.items()}
