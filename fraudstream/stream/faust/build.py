"""The Faust app of a stage, made: what of Faust is used and how it is set, and the agents that take what is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mode.supervisors import CrashingSupervisor

from fraudstream.stream.checkpoints.fencing import COMPRESSION
from fraudstream.stream.faust import store, transport
from fraudstream.stream.faust.app import StreamApp
from fraudstream.stream.faust.credentials import credentials
from fraudstream.stream.labels import LabelForwarder
from fraudstream.stream.observer import StageObserver
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.cluster import Cluster

if TYPE_CHECKING:
    from fraudstream.engine.engine import Engine

REQUEST_TIMEOUT_S = 30
REBALANCE_TIMEOUT_S = 60.0  # above what a last checkpoint takes
OUTPUT_BATCH_BYTES_MAX = 512 * 1024
LISTS_QUEUED_MAX = 8  # an item is a whole list


def build_app(
    settings: StreamSettings, engine: Engine, observer: StageObserver, cluster: Cluster, data_dir: str, exits: bool
) -> StreamApp:
    """The app, not started. `exits`: on a failure leave the process; else `ended` is set and `failure` says why."""
    transport.register_transport()
    store.register_store()
    brokers = ";".join(f"{transport.SCHEME}://{broker.strip()}" for broker in settings.brokers.servers.split(","))
    partitions = cluster.partitions[settings.input_topic]
    app = StreamApp(
        settings.app_id,
        broker=brokers,
        broker_credentials=credentials(settings.brokers),
        store=f"{store.SCHEME}://",
        datadir=data_dir,
        topic_partitions=partitions,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        processing_guarantee="at_least_once",
        stream_buffer_maxsize=LISTS_QUEUED_MAX,
        stream_recovery_delay=0.0,
        stream_wait_empty=False,
        recovery_consistency_check=True,
        table_standby_replicas=0,
        agent_supervisor=CrashingSupervisor,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.group_instance_id,
        broker_max_poll_records=settings.list_records_max,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
        broker_max_poll_interval=300.0,
        broker_request_timeout=max(REQUEST_TIMEOUT_S, settings.session_timeout_s),
        producer_acks=-1,
        producer_max_batch_size=OUTPUT_BATCH_BYTES_MAX,
        producer_compression_type=COMPRESSION,
        worker_redirect_stdouts=False,
    )
    app.set_up(settings, engine, observer, cluster, exits)
    # acks=False: Faust tracks and commits nothing here, the position is the checkpoint's.
    log_of_stage = app.topic(settings.input_topic, schema=transport.BatchSchema(), acks=False, partitions=partitions)
    app.Table("state", schema=transport.BatchSchema(), partitions=partitions, recovery_buffer_size=2)
    app.on_partitions_revoked.connect(app.on_revoked, weak=False)

    @app.agent(log_of_stage, name="decide")
    async def decide(stream: Any) -> None:
        async for event in stream.events():
            app.lists.taken(event.message.tp)
            async with app.failing():
                await app.decider.decide(event.message.partition, event.value)

    if settings.labels_topic is not None and app.payments is not None:
        app.labels = forwarder = LabelForwarder(settings.labels_topic, app.payments, app.lists)
        labels = app.topic(
            settings.labels_topic,
            schema=transport.BatchSchema(),
            acks=False,
            partitions=cluster.partitions[settings.labels_topic],
        )

        @app.agent(labels, name="forward_labels")
        async def forward_labels(stream: Any) -> None:
            async for event in stream.events():
                async with app.failing():
                    count = await forwarder.forward(event.message.tp, event.value, app.output_producer)
                    app.observer.on_labels_forwarded(count)

    return app
