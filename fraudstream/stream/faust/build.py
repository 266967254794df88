"""Builds a stage on Faust: which settings of Faust are used and why, and the agents that process fetched batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mode.supervisors import CrashingSupervisor

from fraudstream.stream.checkpoints.fencing import COMPRESSION
from fraudstream.stream.faust import store, transport
from fraudstream.stream.faust.adapters import consumer_of, ports_of
from fraudstream.stream.faust.app import StreamApp
from fraudstream.stream.faust.credentials import credentials
from fraudstream.stream.faust.running_stage import FaustStage
from fraudstream.stream.observer import StageObserver
from fraudstream.stream.rule_sets import rule_sets
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.stage import Stage, new_stage
from fraudstream.stream.topics.cluster import Cluster
from fraudstream.tracing.ports import UNTRACED, Tracer

if TYPE_CHECKING:
    from fraudstream.engine.engine import Engine

REQUEST_TIMEOUT_S = 30
REBALANCE_TIMEOUT_S = 60.0  # above what a last checkpoint takes
MAX_POLL_INTERVAL_S = 300.0  # without a fetch, after which the worker counts as stuck and leaves its group
BATCHES_QUEUED_MAX = 8  # an item of an agent's queue is a whole batch


def build_stage(
    settings: StreamSettings,
    engine: Engine,
    observer: StageObserver,
    cluster: Cluster,
    exits: bool,
    tracer: Tracer = UNTRACED,
) -> FaustStage:
    """The stage on an app of its own, not started. `exits`: leave the process on a failure; else the stage's
    `failure.ended` is set. `tracer`: of the payments whose traces are sampled."""
    transport.register_transport()
    store.register_store()
    app = _new_app(settings, cluster.partitions[settings.input_topic])
    stage = new_stage(
        settings=settings,
        engine=engine,
        observer=observer,
        cluster=cluster,
        ports=ports_of(app, settings),
        rule_sets=rule_sets(settings, engine) if engine.decides else None,
        exits=exits,
        tracer=tracer,
    )
    app.set_stage(stage)
    app.on_partitions_revoked.connect(app.on_revoked, weak=False)
    _add_agents(app, stage)
    return FaustStage(app, stage)


def _new_app(settings: StreamSettings, partitions: int) -> StreamApp:
    brokers = ";".join(f"{transport.SCHEME}://{broker.strip()}" for broker in settings.brokers.servers.split(","))
    return StreamApp(
        settings.app_id,
        broker=brokers,
        broker_credentials=credentials(settings.brokers),
        store=f"{store.SCHEME}://",
        topic_partitions=partitions,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        processing_guarantee="at_least_once",
        stream_buffer_maxsize=BATCHES_QUEUED_MAX,
        stream_recovery_delay=0.0,
        stream_wait_empty=False,
        recovery_consistency_check=True,
        table_standby_replicas=0,
        agent_supervisor=CrashingSupervisor,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.group_instance_id,
        broker_max_poll_records=settings.batch_records_max,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
        broker_max_poll_interval=MAX_POLL_INTERVAL_S,
        broker_request_timeout=max(REQUEST_TIMEOUT_S, settings.session_timeout_s),
        producer_acks=-1,
        producer_max_batch_size=settings.output_batch_bytes_max,
        producer_compression_type=COMPRESSION,
        worker_redirect_stdouts=False,
    )


def _add_agents(app: StreamApp, stage: Stage) -> None:
    """One agent for the input, one for labels. acks=False: Faust tracks and commits nothing, checkpoints do."""
    settings, partitions = stage.settings, stage.cluster.partitions
    input_partitions = partitions[settings.input_topic]
    schema = transport.BatchSchema()
    input_log = app.topic(settings.input_topic, schema=schema, acks=False, partitions=input_partitions)
    app.Table("state", schema=transport.BatchSchema(), partitions=input_partitions, recovery_buffer_size=2)

    @app.agent(input_log, name="process")
    async def process(stream: Any) -> None:
        async for event in stream.events():
            async with stage.failure.failing():
                await stage.processor.process(event.value, consumer_of(app).on_taken)

    if settings.labels_topic is not None and (forwarder := stage.labels) is not None:
        labels = app.topic(
            settings.labels_topic,
            schema=transport.BatchSchema(),
            acks=False,
            partitions=partitions[settings.labels_topic],
        )

        @app.agent(labels, name="forward_labels")
        async def forward_labels(stream: Any) -> None:
            async for event in stream.events():
                async with stage.failure.failing():
                    await forwarder.forward(event.message.partition, event.value)
