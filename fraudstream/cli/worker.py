"""`fraudstream worker`: decide the payments of a Kafka cluster. Run as many as there are partitions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from fraudstream import __version__
from fraudstream.cli import metrics_port
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import ALL_STAGES, Settings, add_setting
from fraudstream.cli.tracing import tracing

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.engine import Engine
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.stream.settings import StreamSettings

HEARTBEATS = 5  # in a session time-out
HEARTBEATS_OF_STANDBY = 10  # a worker learns of a rebalance by the answer to a heartbeat

FLAGS = (
    "kafka.bootstrap_servers",
    "rules.directory",
    "worker.processes",
    "worker.stages",
    "worker.stage",
    "worker.standby",
    "worker.group",
    "worker.state_version",
    "worker.backfill",
    "worker.decisions",
    "worker.checkpoint_mode",
    "worker.checkpoint_interval_s",
    "worker.fetch_wait_ms",
)


def add_parser(subparsers: Subparsers) -> None:
    """Add `worker`."""
    parser = subparsers.add_parser(
        "worker",
        help="decide payments from Kafka: run as many as there are partitions",
        description=(
            "Joins the group of workers, takes its share of the partitions and decides their payments until SIGTERM or "
            "Ctrl-C; then it takes a last checkpoint and stops. Waits for brokers without a time limit. Exit codes: "
            "0 stopped, 1 could not start, 70 failed (start it again: it resumes from its last checkpoint), 78 fails "
            "again until the cause that it names is fixed. With --processes N, a supervisor restarts workers that "
            "fail; worker K serves its metrics at the first port + K - 1, and its worker.group_instance_id ends in -K. "
            "Where payments has one partition, one worker judges all entities, and a second one with --standby takes "
            "over when it dies."
        ),
        epilog=(
            "example:\n"
            "  fraudstream worker --bootstrap-servers kafka-1:9092,kafka-2:9092\n"
            "  fraudstream worker --processes 4 --metrics-port 9464   # metrics at 9464 to 9467"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for setting in FLAGS:
        add_setting(parser, setting, "--rules" if setting == "rules.directory" else None)
    add_setting(parser, "identifiers.secret_file", "--identifier-secret")
    metrics_port.add_flags(parser, "metrics.port")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run a worker, or a supervisor of several. Raises `Failure` with an exit code of `exit_codes`."""
    from prometheus_client import CollectorRegistry

    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.contracts.dead_letter import ReasonCode
    from fraudstream.engine.engine import Engine
    from fraudstream.engine.label_results import CAUSES
    from fraudstream.stream.failure import WorkerFailure, exit_code
    from fraudstream.stream.worker import run_worker
    from fraudstream.telemetry.logs import set_up_logs
    from fraudstream.telemetry.worker import WorkerTelemetry

    set_up_logs(settings.log.level, "json" if args.json else "human")
    if settings.worker.processes is not None:
        from fraudstream.cli.worker_processes import run_processes

        return run_processes(settings, settings.worker.processes, args.json)
    rule_set = load_rule_set(Path(settings.rules.directory))
    stage = None if settings.worker.stage == ALL_STAGES else settings.worker.stage
    try:
        engine = Engine(rule_set, stage, settings.worker.too_far_ahead_ms)
    except ValueError as error:
        raise Failure(f"worker.stage: {error}") from error
    telemetry = WorkerTelemetry(
        CollectorRegistry(), version=__version__, reasons=get_args(ReasonCode), label_causes=CAUSES
    )
    with (
        metrics_port.metrics_served(settings, "metrics.port", telemetry),
        tracing(settings, "worker", telemetry.spans) as tracer,
    ):
        try:
            run_worker(stream_settings(settings), engine, telemetry, [telemetry.watchdog], tracer)
        except WorkerFailure as failure:
            raise Failure(failure.sentence, exit_code(failure)) from failure
    return 0


def stage_settings(settings: Settings, rule_set: RuleSet) -> list[StreamSettings]:
    """The settings of each stage under these rules, in order. The last stage decides; controls go into its log.

    Raises as `stages_of_workers`.
    """
    return [stage for stage, _ in stages_of_workers(settings, rule_set)]


def stages_of_workers(settings: Settings, rule_set: RuleSet) -> list[tuple[StreamSettings, Engine]]:
    """Settings and engine of each stage under these rules, in order. Asks the cluster if they depend on the partitions
    of the payments topic. Raises `Failure` for a topic that is missing or does not allow the form, `ClusterError`."""
    from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
    from fraudstream.engine.engine import Engine
    from fraudstream.stream.failure import PermanentFailure
    from fraudstream.stream.stages import settle_form, stages_of
    from fraudstream.stream.topics.cluster import settled

    stream, engine = stream_settings(settings), Engine(rule_set)
    try:
        if len(engine.stages) == 1 or stream.stages == "chain":
            of_form = settle_form(stream, engine.stages, 0)
        else:
            of_form = run_on_cluster(stream.brokers, lambda: settled(stream, engine.stages), SHORT_S_MAX)
        return list(stages_of(of_form, engine))
    except PermanentFailure as failure:
        raise Failure(failure.sentence) from failure


def stream_settings(settings: Settings) -> StreamSettings:
    """The settings of the worker."""
    from fraudstream.stream.settings import StreamSettings

    worker, topics = settings.worker, settings.topics
    return StreamSettings(
        brokers=settings.kafka.brokers(),
        checkpoint_mode=worker.checkpoint_mode,
        group=worker.group,
        stages=worker.stages,
        state_version=worker.state_version,
        backfill=worker.backfill,
        payments_topic=topics.payments,
        labels_topic=None if worker.backfill else topics.labels,  # the workers that decide keep forwarding them
        decisions_topic=topics.decisions,
        alerts_topic=topics.alerts,
        dead_letters_topic=topics.dead_letters,
        controls_topic=topics.controls,
        decisions=worker.decisions,
        answer_unjudged=worker.answer_unjudged,
        reply_topics=(topics.replies, *worker.reply_topic_names),
        replies_codec=settings.compression.replies,
        decisions_codec=settings.compression.decisions,
        alerts_codec=settings.compression.alerts,
        dead_letters_codec=settings.compression.dead_letters,
        payments_codec=settings.compression.payments,
        batch_records_max=worker.batch_records_max,
        fetch_wait_ms=worker.fetch_wait_ms,
        checkpoint_s=worker.checkpoint_interval_s,
        checkpoint_bytes_max=worker.checkpoint_bytes_max,
        session_timeout_s=worker.session_timeout_s,
        heartbeat_s=worker.session_timeout_s / (HEARTBEATS_OF_STANDBY if worker.standby else HEARTBEATS),
        standby=worker.standby,
        group_instance_id=worker.group_instance_id,
        partitioner=settings.publishers.partitioner,
        misplaced=settings.publishers.misplaced,
        identifier_secret=settings.identifiers.given(),
        signatures=settings.signatures.given(),
    )
