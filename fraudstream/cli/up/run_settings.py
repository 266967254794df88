"""The settings of one run of `fraudstream up`: the user's, with its broker and Redis, on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from fraudstream.cli.console_settings import ConsoleSettings
from fraudstream.cli.gateway_settings import GatewaySettings
from fraudstream.cli.history_settings import HistorySettings
from fraudstream.cli.kafka_settings import KafkaSettings
from fraudstream.cli.setting_sections import IdentifierSettings
from fraudstream.cli.settings import Settings
from fraudstream.cli.up.web_gateway import free_port
from fraudstream.stream.settings import CheckpointMode, StageForm

SHARED_PARTITIONS_MIN: Final = 4
HISTORY_INTERVAL_S: Final = 2.0
CASE_POLICY: Final = Path(__file__).with_name("case_policy.yaml")


class RunBroker(NamedTuple):
    """The broker of a run. `servers`: host:port. `checkpoint_mode`: as the worker's setting."""

    name: str
    servers: str
    checkpoint_mode: CheckpointMode


def partitions_for(workers: int, stages: StageForm) -> int:
    """How many partitions a run needs: one, of which a single stage can keep all entities, unless several workers are
    to share the load. If the stages must be single, the further workers are standbys."""
    if workers == 1 or stages == "single":
        return 1
    return max(SHARED_PARTITIONS_MIN, 2 * workers)


def settings_for(
    settings: Settings, broker: RunBroker, redis_url: str, partitions: int, scratch: Path, *, standby: bool = False
) -> Settings:
    """The user's settings with the run's broker and Redis, and what a run on one machine needs; queues with service
    levels, unless the settings name a policy of cases. `scratch`: holds the history and the files of cases. `standby`:
    the workers are standbys of each other, whatever the settings say."""
    from fraudstream.engine.identifier_key import PUBLIC_SECRET

    replace = msgspec.structs.replace
    return replace(
        settings,
        kafka=KafkaSettings(bootstrap_servers=broker.servers),
        redis=replace(settings.redis, url=redis_url),
        identifiers=IdentifierSettings(secret=PUBLIC_SECRET.hex()),
        worker=replace(
            settings.worker,
            checkpoint_mode=broker.checkpoint_mode,
            decisions=True,
            processes=None,
            standby=settings.worker.standby or standby,
        ),
        metrics=replace(settings.metrics, host="127.0.0.1", port=0, cases_port=0, history_port=0, gateway_port=0),
        gateway=GatewaySettings(port=free_port(settings.gateway.port), deadline_ms=settings.gateway.deadline_ms),
        history=HistorySettings(str(scratch / "history"), retention_days=0, commit_interval_s=HISTORY_INTERVAL_S),
        cases=replace(settings.cases, policy=settings.cases.policy or str(CASE_POLICY)),
        evidence=replace(settings.evidence, directory=str(scratch / "evidence")),
        console=ConsoleSettings(
            port=0,
            time_zone=settings.console.time_zone,
            may_activate=True,  # changes stay in the run's own broker
            trial_hours=settings.console.trial_hours,
            trial_warm_up_days=settings.console.trial_warm_up_days,
        ),
        topics=replace(settings.topics, partitions=partitions, replication=1),
        rules=replace(settings.rules, directory=str(Path(settings.rules.directory).resolve())),
    )
