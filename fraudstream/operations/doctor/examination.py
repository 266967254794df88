"""All checks of a cluster, in the order of the report. A check that fails is a finding, and the others go on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final

from aiokafka.errors import ClusterAuthorizationFailedError, IncompatibleBrokerVersion

from fraudstream.kafka.cluster_client import GroupNotReadableError
from fraudstream.kafka.error_text import kafka_error_text
from fraudstream.kafka.failures import BROKER_ERRORS
from fraudstream.kafka.permissions import denial
from fraudstream.kafka.topic_reader import NoTopicError
from fraudstream.operations.acls.cluster_acls import read_acls
from fraudstream.operations.apply_topics import FoundTopic, found_topics
from fraudstream.operations.doctor import brokers, capacity, clocks, directories, groups, permissions, rules, topics
from fraudstream.operations.doctor.deployment import Deployment
from fraudstream.operations.doctor.finding import Finding
from fraudstream.operations.errors import OperationError
from fraudstream.operations.publisher_placement import sample_placement
from fraudstream.stream.topics.file import TopicsError

PUBLISHERS: Final = "publishers"
_FAILURES = (*BROKER_ERRORS, OperationError, TopicsError, NoTopicError, GroupNotReadableError)

Check = Callable[[], Awaitable[Sequence[Finding]]]


async def examine(deployment: Deployment) -> list[Finding]:
    """The findings of all checks. Changes nothing on the cluster. Raises what no broker and no setting causes."""
    examination = _Examination(deployment)
    return [finding async for finding in examination.findings()]


class _Examination:
    """One run. What several checks read is read once."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._found: Mapping[str, FoundTopic] = {}

    async def findings(self) -> AsyncIterator[Finding]:
        checks: Sequence[tuple[str, Check]] = (
            (brokers.CHECK, self._brokers),
            (topics.CHECK, self._topics),
            (permissions.CHECK, self._permissions),
            (PUBLISHERS, self._publishers),
            (clocks.CHECK, self._clocks),
            (rules.CHECK, self._rules),
            (groups.CHECK, self._groups),
            (capacity.CHECK, self._capacity),
        )
        for name, check in checks:
            for finding in await self._guarded(name, check):
                yield finding
        for finding in directories.directory_findings(self._deployment.directories):
            yield finding

    async def _guarded(self, name: str, check: Check) -> Sequence[Finding]:
        try:
            return await check()
        except _FAILURES as error:
            sentence = denial(error, self._deployment.brokers, "DESCRIBE or READ") or kafka_error_text(error)
            return [
                Finding(name, "error", "cluster", f"could not be checked: {sentence}", "remove the cause, run again")
            ]

    async def _brokers(self) -> Sequence[Finding]:
        found = await brokers.found_brokers(self._deployment.brokers)
        return brokers.broker_findings(found, needs_transactions=self._deployment.needs_transactions)

    async def _topics(self) -> Sequence[Finding]:
        self._found = await found_topics(self._deployment.brokers, self._deployment.topics)
        return topics.topic_findings(self._deployment, self._found)

    async def _permissions(self) -> Sequence[Finding]:
        try:
            acls = await read_acls(self._deployment.brokers)
        except ClusterAuthorizationFailedError:
            what = f"{self._deployment.brokers.user} may not list ACLs, so they were not checked"
            return [Finding(permissions.CHECK, "warning", "cluster", what, "run doctor with DESCRIBE on the cluster")]
        except IncompatibleBrokerVersion:
            acls = None  # the embedded broker
        return permissions.permission_findings(self._deployment, acls)

    async def _publishers(self) -> Sequence[Finding]:
        topic, declared = self._deployment.payments, self._deployment.partitioner
        if declared == "any":
            return [Finding(PUBLISHERS, "ok", topic, "publishers.partitioner is any: not checked")]
        if topic not in self._found:
            return []
        placement = await sample_placement(self._deployment.brokers, topic, declared)
        if placement is None:
            return [Finding(PUBLISHERS, "ok", topic, "no payment to tell their partitioner by yet")]
        if not placement.misplaced:
            return [Finding(PUBLISHERS, "ok", topic, str(placement))]
        return [Finding(PUBLISHERS, "error", topic, str(placement), "docs/runbook.md, FraudstreamMisplacedRecords")]

    async def _clocks(self) -> Sequence[Finding]:
        if self._deployment.payments not in self._found:
            return []
        topic, ahead_ms = self._deployment.payments, self._deployment.too_far_ahead_ms
        watched = await clocks.watched_payments(self._deployment.brokers, topic, clock_ms=_now_ms)
        return clocks.clock_findings(topic, watched, now_ms=_now_ms(), too_far_ahead_ms=ahead_ms)

    async def _rules(self) -> Sequence[Finding]:
        if self._deployment.names["controls"] not in self._found:
            return []
        return await rules.rule_findings(self._deployment)

    async def _groups(self) -> Sequence[Finding]:
        deployment = self._deployment
        read = [(stage.app_id, stage.input_topic) for stage in deployment.stages]
        read.append((deployment.acls.cases_group, deployment.names["alerts"]))
        lags = [await groups.group_lag(deployment.brokers, *one) for one in read if one[1] in self._found]
        return [finding for lag in lags for finding in groups.lag_findings(lag)]

    async def _capacity(self) -> Sequence[Finding]:
        deployment, stages = self._deployment, self._deployment.stages
        if deployment.payments not in self._found:
            return []
        return capacity.capacity_findings(
            capacity.form_of(stages),
            stages=len(stages),
            partitions=self._found[deployment.payments].partitions,
            workers=await groups.group_members(deployment.brokers, stages[0].app_id),
            rate=deployment.rate,
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
