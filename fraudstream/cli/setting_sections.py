"""The sections of the settings: a frozen struct each, whose fields' descriptions are their documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fraudstream.cli.bridge_settings import BridgeSection, CardsSettings
from fraudstream.cli.console_settings import ConsoleSettings
from fraudstream.cli.evidence_settings import EvidenceSettings
from fraudstream.cli.failure import Failure
from fraudstream.cli.gateway_settings import GatewaySettings
from fraudstream.cli.history_settings import HistorySettings
from fraudstream.cli.kafka_settings import SECRET, KafkaSettings
from fraudstream.cli.redis_settings import RedisSettings
from fraudstream.cli.registry_settings import RegistrySection
from fraudstream.cli.secret_file import secret_of_file
from fraudstream.cli.signature_settings import SignaturesSettings
from fraudstream.cli.telemetry_settings import TelemetrySettings
from fraudstream.cli.topic_settings import TopicsSettings
from fraudstream.cli.webhook_settings import WebhookSettings
from fraudstream.cli.worker_settings import WorkerSettings
from fraudstream.contracts.hidden_fields import repr_without
from fraudstream.kafka.compression import DEFAULT_CODEC, Codec


class PublishersSettings(msgspec.Struct, frozen=True):
    """[publishers]"""

    partitioner: Annotated[
        Literal["murmur2", "consistent_random", "fnv1a_random", "any"],
        Meta(
            description=(
                "where publishers put a key: murmur2 (Java, librdkafka's murmur2_random), consistent_random "
                "(librdkafka's default), fnv1a_random (Sarama's default); any: not checked"
            )
        ),
    ] = "murmur2"
    misplaced: Annotated[
        Literal["repartition", "reject", "count"],
        Meta(
            description=(
                "records in another partition: repartition copies them to their key's partition, which decides them; "
                "reject makes them dead letters; count decides them where they are, with a part of their account's "
                "history"
            )
        ),
    ] = "repartition"


class IdentifierSettings(msgspec.Struct, frozen=True):
    """[identifiers]"""

    secret: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="secret under which identifiers are kept in the state: 32 hex digits", extra=SECRET),
    ] = None
    secret_file: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="file that holds the secret; without one, the first worker makes it and `controls` keeps it"),
    ] = None

    def __repr__(self) -> str:
        """Without the secret, as this may be logged."""
        return repr_without(self, "secret")

    def given(self) -> bytes | None:
        """The secret, 16 bytes; None if no setting gives it. Raises `Failure`."""
        from fraudstream.engine.identifier_key import parse_secret

        if self.secret is not None and self.secret_file is not None:
            raise Failure("identifiers.secret and identifiers.secret_file are both set: leave one out.")
        origin, text = "identifiers.secret", self.secret
        if self.secret_file is not None:
            origin = f"identifiers.secret_file {self.secret_file}"
            text = secret_of_file("identifiers.secret_file", self.secret_file)
        try:
            return None if text is None else parse_secret(text)
        except ValueError as error:
            raise Failure(f"{origin}: {error}") from error


class CasesSettings(msgspec.Struct, frozen=True):
    """[cases]"""

    group: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9._-]{1,100}$", description="consumer group of the agent that groups alerts into cases"
        ),
    ] = "fraudstream-cases"
    policy: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="YAML file with queues, service levels and rates (docs/cases.md); none by default"),
    ] = None
    retention_days: Annotated[
        int,
        Meta(ge=0, le=36_500, description="days after which a closed case leaves topic, Redis and index; 0: never"),
    ] = 1825


class CompressionSettings(msgspec.Struct, frozen=True):
    """[compression]"""

    decisions: Annotated[
        Codec, Meta(description="codec of decisions: none, gzip, snappy, lz4 or zstd; every client reads gzip")
    ] = DEFAULT_CODEC
    alerts: Annotated[Codec, Meta(description="codec of alerts")] = DEFAULT_CODEC
    cases: Annotated[
        Codec, Meta(description="codec of cases, and of the labels and dead letters of the case agent")
    ] = DEFAULT_CODEC
    dead_letters: Annotated[Codec, Meta(description="codec of the worker's dead letters")] = DEFAULT_CODEC
    payments: Annotated[
        Codec, Meta(description="codec of the labels that the worker forwards into the log of payments")
    ] = DEFAULT_CODEC
    replies: Annotated[
        Codec, Meta(description="codec of replies, which are small and read at once; by default none")
    ] = "none"


class MetricsSettings(msgspec.Struct, frozen=True):
    """[metrics]"""

    host: Annotated[
        str, Meta(min_length=1, description="address that Prometheus scrapes; by default loopback only")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="port of a worker's metrics; 0: any free one")] = 9464
    cases_port: Annotated[
        int, Meta(ge=0, le=65_535, description="port of the case agent's metrics; 0: any free one")
    ] = 9463
    bridge_port: Annotated[int, Meta(ge=0, le=65_535, description="port of a bridge's metrics; 0: any free one")] = 9461
    gateway_port: Annotated[int, Meta(ge=0, le=65_535, description="port of a gateway's metrics; 0: any free one")] = (
        9460
    )
    history_port: Annotated[
        int, Meta(ge=0, le=65_535, description="port of the history writer's metrics; 0: any free one")
    ] = 9462
    webhooks_port: Annotated[
        int, Meta(ge=0, le=65_535, description="port of the metrics of webhooks; 0: any free one")
    ] = 9459
    backup_port: Annotated[
        int, Meta(ge=0, le=65_535, description="port of the metrics of `state backup --every`; 0: any free one")
    ] = 9458


class LogSettings(msgspec.Struct, frozen=True):
    """[log]"""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="lowest severity of log lines: debug, info, warning or error; of libraries at least warning"),
    ] = "info"


class RulesSettings(msgspec.Struct, frozen=True):
    """[rules]"""

    directory: Annotated[
        str, Meta(min_length=1, description="directory of features.yaml, score.yaml and the rules")
    ] = "rules"


class CacheSettings(msgspec.Struct, frozen=True):
    """[cache]"""

    directory: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="directory for compiled code; by default beside the program, else in ~/.cache, else the "
            "directory for temporary files"
        ),
    ] = None


class Settings(msgspec.Struct, frozen=True):
    """All settings in force. `origins`: where each `section.name` came from ('default', file, variable, flag)."""

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    worker: WorkerSettings = WorkerSettings()
    publishers: PublishersSettings = PublishersSettings()
    identifiers: IdentifierSettings = IdentifierSettings()
    signatures: SignaturesSettings = SignaturesSettings()
    bridge: BridgeSection = BridgeSection()
    cards: CardsSettings = CardsSettings()
    registry: RegistrySection = RegistrySection()
    cases: CasesSettings = CasesSettings()
    console: ConsoleSettings = ConsoleSettings()
    gateway: GatewaySettings = GatewaySettings()
    history: HistorySettings = HistorySettings()
    evidence: EvidenceSettings = EvidenceSettings()
    webhooks: WebhookSettings = WebhookSettings()
    compression: CompressionSettings = CompressionSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    rules: RulesSettings = RulesSettings()
    cache: CacheSettings = CacheSettings()
    topics: TopicsSettings = TopicsSettings()
    origins: dict[str, str] = {}


SECTIONS: Mapping[str, type[msgspec.Struct]] = {
    "kafka": KafkaSettings,
    "redis": RedisSettings,
    "worker": WorkerSettings,
    "publishers": PublishersSettings,
    "identifiers": IdentifierSettings,
    "signatures": SignaturesSettings,
    "bridge": BridgeSection,
    "cards": CardsSettings,
    "registry": RegistrySection,
    "cases": CasesSettings,
    "console": ConsoleSettings,
    "gateway": GatewaySettings,
    "history": HistorySettings,
    "evidence": EvidenceSettings,
    "webhooks": WebhookSettings,
    "compression": CompressionSettings,
    "metrics": MetricsSettings,
    "log": LogSettings,
    "telemetry": TelemetrySettings,
    "rules": RulesSettings,
    "cache": CacheSettings,
    "topics": TopicsSettings,
}
