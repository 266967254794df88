"""A stage of a worker, composed from its ports: it depends neither on Faust nor on a Kafka client.

Each part gets the collaborators that it needs by name. The driver of a stage (`fraudstream.stream.faust`, or a test)
calls `processor` with batches of the input, `labels` with batches of the labels topic, and `assignment` at each
rebalance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from fraudstream.engine.copies import CopyMarks
from fraudstream.stream.accepted_gaps import GapWatch
from fraudstream.stream.assignment import Assignment
from fraudstream.stream.checkpoints.checkpoint import Checkpoints
from fraudstream.stream.checkpoints.resumption import Resumption
from fraudstream.stream.dead_letter import DeadLetterSender
from fraudstream.stream.failure import StageFailure
from fraudstream.stream.forward import Forwarding
from fraudstream.stream.judge import Judging
from fraudstream.stream.labels import LabelForwarder
from fraudstream.stream.misplaced import MisplacedRecords
from fraudstream.stream.monitor import StageMonitor
from fraudstream.stream.opening import PartitionOpening
from fraudstream.stream.outputs import Departures, StageOutputs, stage_outputs
from fraudstream.stream.payment_traces import PaymentTraces
from fraudstream.stream.process import BatchProcessor, SpanProcessor
from fraudstream.stream.recovery_progress import RecoveryReporter
from fraudstream.stream.replies import Replies
from fraudstream.stream.standby import Standby
from fraudstream.stream.state_versions import StateVersions
from fraudstream.stream.stopped_partitions import PartitionStops, StoppedPartitions
from fraudstream.stream.unjudged import UnjudgedAnswers
from fraudstream.tracing.ports import UNTRACED

if TYPE_CHECKING:
    from fraudstream.engine.engine import Engine
    from fraudstream.stream.observer import StageObserver
    from fraudstream.stream.partition import Partition
    from fraudstream.stream.ports import (
        AcceptedGaps,
        Changelog,
        ChangelogWriters,
        FollowsChangelog,
        InputLog,
        OffsetCommits,
        RecordSender,
        RuleSetSource,
    )
    from fraudstream.stream.settings import StreamSettings
    from fraudstream.stream.topics.cluster import Cluster
    from fraudstream.tracing.ports import Tracer


class StagePorts(NamedTuple):
    """How a stage reaches Kafka. `label_log`, `label_commits`: of the labels topic. `followed`: the changelog, as a
    standby reads it. `gaps`: of the changelog."""

    input_log: InputLog
    input_commits: OffsetCommits
    label_log: InputLog
    label_commits: OffsetCommits
    changelog: Changelog
    writers: ChangelogWriters
    followed: FollowsChangelog
    gaps: AcceptedGaps
    sender: RecordSender


class Stage(NamedTuple):
    """The parts of a stage that its driver calls. `labels`: None where no labels topic is read. `partitions`: a live
    view of those that the stage holds; `stopped`: those of them that are not processed. `standby`: None unless the
    worker is to be one."""

    settings: StreamSettings
    cluster: Cluster
    observer: StageObserver
    partitions: dict[int, Partition]
    stopped: StoppedPartitions
    failure: StageFailure
    assignment: Assignment
    replies: Replies
    processor: BatchProcessor[Any]
    labels: LabelForwarder | None
    checkpoints: Checkpoints
    monitor: StageMonitor
    gap_watch: GapWatch
    standby: Standby | None


def new_stage(
    *,
    settings: StreamSettings,
    engine: Engine,
    observer: StageObserver,
    cluster: Cluster,
    ports: StagePorts,
    rule_sets: RuleSetSource | None,
    exits: bool,
    tracer: Tracer = UNTRACED,
) -> Stage:
    """A stage without partitions. `rule_sets`: None where another stage decides. `exits`: leave the process on a
    failure; else `failure.ended` is set. `tracer`: of the payments whose traces are sampled."""
    partitions: dict[int, Partition] = {}
    failure = StageFailure(brokers=settings.brokers, partitions=partitions.values(), observer=observer, exits=exits)
    departures = Departures()
    outputs = stage_outputs(settings, cluster.partitions, ports.sender, departures)
    replies = Replies(
        settings=settings,
        partitions=cluster.partitions,
        sender=ports.sender,
        departures=departures,
        observer=observer,
    )
    checkpoints = Checkpoints(
        settings=settings,
        cluster=cluster,
        partitions=partitions,
        commits=ports.input_commits,
        failure=failure,
        observer=observer,
    )
    versions = StateVersions(
        settings=settings,
        partitions=partitions,
        checkpoints=checkpoints,
        input_log=ports.input_log,
        observer=observer,
    )
    stopped = StoppedPartitions(topic=settings.input_topic, partitions=partitions, observer=observer)
    resumption = Resumption(settings, cluster, engine.stages)
    opening = PartitionOpening(
        settings=settings,
        input_log=ports.input_log,
        rule_sets=rule_sets,
        resumption=resumption,
        versions=versions,
        checkpoints=checkpoints,
        observer=observer,
    )
    input_partitions = cluster.partitions[settings.input_topic]
    standby = None
    if settings.standby:
        standby = Standby(
            settings=settings,
            partitions=input_partitions,
            new_state=engine.new_state,
            changelog=ports.followed,
            observer=observer,
        )
    assignment = Assignment(
        settings=settings,
        partitions=partitions,
        new_state=engine.new_state,
        input_partitions=input_partitions,
        next_partitions=outputs.forwards.partitions if outputs.forwards is not None else 1,
        input_log=ports.input_log,
        standby=standby,
        stopped=stopped,
        changelog=ports.changelog,
        writers=ports.writers,
        opening=opening,
        versions=versions,
        checkpoints=checkpoints,
        resumption=resumption,
        failure=failure,
        observer=observer,
    )
    return Stage(
        settings=settings,
        cluster=cluster,
        observer=observer,
        partitions=partitions,
        stopped=stopped,
        failure=failure,
        assignment=assignment,
        replies=replies,
        processor=BatchProcessor(
            input_topic=settings.input_topic,
            partitions=partitions,
            spans=_span_processor(settings, engine, outputs, replies, rule_sets, observer, tracer),
            misplaced=_misplaced_records(settings, engine, outputs, observer),
            versions=versions,
            stops=PartitionStops(stopped=stopped, opening=opening, checkpoints=checkpoints),
            input_log=ports.input_log,
            departures=departures,
            observer=observer,
        ),
        labels=_label_forwarder(settings, outputs, ports, observer),
        checkpoints=checkpoints,
        monitor=_monitor(settings, partitions, ports, versions, observer),
        gap_watch=GapWatch(partitions=partitions, gaps=ports.gaps, assignment=assignment),
        standby=standby,
    )


def _monitor(
    settings: StreamSettings,
    partitions: Mapping[int, Partition],
    ports: StagePorts,
    versions: StateVersions,
    observer: StageObserver,
) -> StageMonitor:
    return StageMonitor(
        brokers=settings.brokers,
        input_topic=settings.input_topic,
        partitions=partitions,
        input_log=ports.input_log,
        recovery=RecoveryReporter(partitions=partitions, changelog=ports.changelog, observer=observer),
        versions=versions,
        observer=observer,
    )


def _misplaced_records(
    settings: StreamSettings, engine: Engine, outputs: StageOutputs, observer: StageObserver
) -> MisplacedRecords:
    return MisplacedRecords(
        topic=settings.input_topic,
        state_version=settings.state_version,
        marks=CopyMarks(engine.digest_key),
        payments=outputs.payments,
        observer=observer,
    )


def _span_processor(
    settings: StreamSettings,
    engine: Engine,
    outputs: StageOutputs,
    replies: Replies,
    rule_sets: RuleSetSource | None,
    observer: StageObserver,
    tracer: Tracer,
) -> SpanProcessor[Any]:
    dead_letters = DeadLetterSender(outputs.dead_letters, settings.input_topic)
    unjudged = UnjudgedAnswers(settings)
    if rule_sets is not None:
        assert outputs.alerts is not None, f"the stage '{settings.stage}' decides, but has no topic for alerts"
        return Judging(
            settings=settings,
            rule_sets=rule_sets,
            decisions=outputs.decisions,
            alerts=outputs.alerts,
            dead_letters=dead_letters,
            unjudged=unjudged,
            replies=replies,
            traces=PaymentTraces(settings=settings, operation="decide", tracer=tracer),
            observer=observer,
        )
    assert outputs.forwards is not None, f"the stage '{settings.stage}' neither decides nor has a next one"
    return Forwarding(
        settings=settings,
        engine=engine,
        output=outputs.forwards,
        decisions=outputs.decisions,
        dead_letters=dead_letters,
        unjudged=unjudged,
        replies=replies,
        traces=PaymentTraces(settings=settings, operation="forward", tracer=tracer),
        observer=observer,
    )


def _label_forwarder(
    settings: StreamSettings, outputs: StageOutputs, ports: StagePorts, observer: StageObserver
) -> LabelForwarder | None:
    if settings.labels_topic is None or outputs.payments is None:
        return None
    return LabelForwarder(
        topic=settings.labels_topic,
        payments=outputs.payments,
        label_log=ports.label_log,
        commits=ports.label_commits,
        observer=observer,
        secrets=settings.signatures.labels,
    )
