"""Two releases side by side in one consumer group, under load: this one, and the next, which is this one with changes
(`next_release`).

Invariant: whichever release has a partition, every payment has one decision, that of a replay of its partition; what
one release cannot read of another ends its worker before anything is decided by it. Limits: the next release is made
up, as nothing is released yet; what it changes is what `docs/upgrades.md` allows, or refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from aiokafka import ConsumerRecord

from fraudstream.contracts import Decision, Payment
from fraudstream.contracts.headers import SOURCE_HEADER, source_of
from fraudstream.stream.failure import EXIT_CODE_REFUSED
from fraudstream.stream.observer import Unobserved
from tests.brokers import EMBEDDED, KAFKA, SelectedBroker
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.next_release import VERSION
from tests.integration.stream.payments import assert_counted_once
from tests.integration.stream.process import ChildProcess
from tests.integration.stream.rules import RULES, write_rules
from tests.integration.stream.topic_input import publish_steadily
from tests.integration.stream.topic_output import Records, at_least, decision_of
from tests.integration.stream.worker_log import ASSIGNED
from tests.integration.stream.worker_readiness import until_followed

pytestmark = pytest.mark.timeout(600)

MORE = 30  # decisions after a step, before the next one
SECOND_LANGUAGE = {
    **RULES,
    "features.yaml": RULES["features.yaml"].replace("version: 1", "version: 2"),
    "score.yaml": "threshold: 0.8\nparts: []\n",
}


class Release(msgspec.Struct):
    """The field that decisions of the next release have."""

    release: str = ""


class Fleet:
    """The workers of one group. `standby`: they follow the changelogs of partitions that they do not own."""

    def __init__(self, cluster: StreamCluster, *, standby: bool = False) -> None:
        self.cluster, self.running = cluster, dict[str, ChildProcess]()
        self._other = {"worker.standby": "true"} if standby else {}
        self._started: list[ChildProcess] = []

    async def start(self, name: str, *changes: str) -> ChildProcess:
        """Start a worker of this release, or with `changes` of the next one, and wait until it is a member."""
        process = self.start_any(name, *changes)
        await process.logs(ASSIGNED)
        if self._other and len(self.running) > 1:
            await until_followed(process)
        return process

    def start_any(self, name: str, *changes: str) -> ChildProcess:
        """As `start`, of a worker that may refuse to run."""
        if changes:
            process = self.cluster.start_next_release(name, changes, ["worker"], self._other)
        else:
            process = self.cluster.start_process(name, self._other)
        self.running[name] = process
        self._started.append(process)
        return process

    async def replace(self, name: str, by: str, *changes: str) -> None:
        """Stop a worker, start another in its place, and let the group decide some more payments."""
        await self.running.pop(name).stop()
        await self.start(by, *changes)
        topic = self.cluster.settings.decisions_topic
        decided = len(await self.cluster.records(topic, at_least(0)))
        await self.cluster.records(topic, at_least(decided + MORE))

    def kill(self) -> None:
        """Kill all that still run."""
        for process in self._started:
            process.kill()


@pytest.mark.parametrize(
    ("selected_broker", "partitions", "standby"),
    [
        pytest.param(EMBEDDED, 1, True, id="standby"),
        pytest.param(KAFKA, 4, False, id="shared", marks=pytest.mark.kafka),
    ],
    indirect=["selected_broker"],
)
async def test_workers_are_upgraded_and_downgraded_one_by_one_and_no_decision_is_lost_doubled_or_changed(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    partitions: int,
    standby: bool,
) -> None:
    servers, is_kafka = selected_broker
    cluster = StreamCluster(servers, unique_name, tmp_path, is_kafka, partitions=partitions)
    await cluster.create_topics()
    fleet, enough = Fleet(cluster, standby=standby), asyncio.Event()
    try:
        await fleet.start("one")
        await fleet.start("two")
        publishing = asyncio.create_task(publish_steadily(cluster.publish, enough))
        await fleet.replace("two", "two-upgraded", "fields")
        await fleet.replace("one", "one-upgraded", "fields")
        await fleet.replace("two-upgraded", "two-downgraded")
        enough.set()
        payments = await publishing
        decisions = await cluster.records(cluster.settings.decisions_topic, at_least(payments))
        await fleet.running["one-upgraded"].stop()
        await cluster.publish(range(payments, payments + MORE))  # what the downgraded worker decides at the latest
        decisions = await cluster.records(cluster.settings.decisions_topic, at_least(payments + MORE))
        alerts = await cluster.alerts(payments + MORE - 20)
        await fleet.running["two-downgraded"].stop()
    finally:
        fleet.kill()
    assert len(decisions) == payments + MORE, "a payment was decided again"
    assert by_source(decisions) == await expected(cluster, payments + MORE)
    assert_counted_once(alerts, payments + MORE)
    releases = [msgspec.json.decode(record.value, type=Release).release for record in decisions]
    assert set(releases) == {"", VERSION}
    assert set(releases[-MORE:]) == {""}


async def test_a_release_with_other_rows_is_refused_before_it_joins_and_the_others_do_not_notice(
    cluster: StreamCluster,
) -> None:
    fleet, worker = Fleet(cluster), Assigned()
    try:
        async with cluster.worker(worker):
            await cluster.publish(range(40))
            await cluster.decisions(40)
            other = fleet.start_any("other", "fields", "layout")
            assert await other.wait() == EXIT_CODE_REFUSED
            assert "or by a release with another row layout" in other.log.read_text()
            await cluster.publish(range(40, 80))
            assert len(await cluster.decisions(80)) == 80
    finally:
        fleet.kill()
    assert worker.assignments == 1, "the group rebalanced"


async def test_a_state_that_only_the_next_release_can_read_is_left_to_it(cluster: StreamCluster) -> None:
    fleet = Fleet(cluster)
    try:
        upgraded = await fleet.start("upgraded", "fields", "checkpoint")
        await cluster.publish(range(40))
        await cluster.decisions(40)
        downgraded = fleet.start_any("downgraded")
        assert await downgraded.wait() == EXIT_CODE_REFUSED
        said = downgraded.log.read_text()
        assert f"The state was saved by fraudstream {VERSION}, as version 2 of the checkpoint; this is" in said
        await cluster.publish(range(40, 80))
        assert len(await cluster.decisions(80)) == 80
        assert upgraded.log.read_text().count(ASSIGNED) == 1, "the group rebalanced"
        export = cluster.start_command("export", ["state", "export", str(cluster.directory / "exported")])
        assert await export.wait() == 1
        assert "fraudstream: The state was saved by" in export.log.read_text()
    finally:
        fleet.kill()


async def test_rules_in_a_later_language_end_workers_of_this_release_and_the_next_one_has_their_partitions(
    cluster: StreamCluster,
) -> None:
    fleet, newer = Fleet(cluster), ("fields", "language")
    rules = write_rules(cluster.directory / "beside" / "rules", SECOND_LANGUAGE)
    activate = ["rules", "activate", str(rules), "--by", "r.holm", "--skip-tests"]
    try:
        member = await fleet.start("member")
        await fleet.start("upgraded", *newer)
        refused = cluster.start_command("refused", activate)
        assert await refused.wait() == 1
        assert "this release reads catalogues of version 1" in refused.log.read_text()
        await cluster.publish(range(100))
        (in_force,) = {decision.rule_set for decision in await cluster.decisions(100)}
        assert in_force == cluster.engine.rule_set.digest, "the refused rules are in force"
        assert await cluster.start_next_release("activate", newer, activate).wait() == 0
        assert await member.wait() == EXIT_CODE_REFUSED
        assert "This release cannot read the rule set" in member.log.read_text()
        await cluster.publish(range(100, 200))
        decisions = {decision.event_id: decision.rule_set for decision in await cluster.decisions(200)}
        assert {decisions[f"e{number}"] for number in range(100)} == {in_force}
        assert in_force not in {decisions[f"e{number}"] for number in range(100, 200)}
        assert_counted_once(await cluster.alerts(180), 200)
    finally:
        fleet.kill()


class Assigned(Unobserved):
    """How often a worker was assigned partitions."""

    def __init__(self) -> None:
        self.assignments = 0

    def of_stage(self, stage: str) -> Assigned:
        return self

    def on_assigned(self, partitions: Sequence[int]) -> None:
        self.assignments += 1


def by_source(records: Records) -> dict[tuple[str, int], Decision]:
    """The decisions, by the partition and the offset of their payments."""
    found = {source_of(dict(record.headers)[SOURCE_HEADER]): decision_of(record) for record in records}
    return {source: decision for source, decision in sorted(found.items()) if source is not None}


async def expected(cluster: StreamCluster, payments: int) -> dict[tuple[str, int], Decision]:
    """As `by_source`: what a replay of each partition of the payments decides."""
    log = await cluster.records(cluster.settings.payments_topic, at_least(payments))
    found: dict[tuple[str, int], Decision] = {}
    for number in sorted({record.partition for record in log}):
        records: list[ConsumerRecord] = [record for record in log if record.partition == number]
        published = [msgspec.json.decode(record.value, type=Payment) for record in records]
        verdicts = cluster.engine.judge(published, cluster.engine.new_state())
        for record, decision in zip(records, verdicts.decisions(), strict=True):
            found[(str(number), record.offset)] = decision
    return found
