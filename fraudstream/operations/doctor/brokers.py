"""The brokers: how many, whether they run one release, what they can do, and settings that lose records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, for_code
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest

from fraudstream.kafka import Brokers
from fraudstream.operations.doctor.finding import Finding

CHECK: Final = "brokers"
_METADATA, _METADATA_WITH_IDS = 3, 10
# Names of a broker's config, and the values that lose records or hide mistakes.
_HARMFUL: Final[Mapping[str, tuple[str, str]]] = {
    "unclean.leader.election.enable": ("true", "a replica that is behind may become the leader: records are lost"),
    "auto.create.topics.enable": ("true", "a misspelt topic is created with other settings, and nobody is told"),
}
_INTERNAL: Final = ("offsets.topic.replication.factor", "transaction.state.log.replication.factor")


class FoundBrokers(NamedTuple):
    """`versions`: by broker, the newest version of each request that it serves. `configs`: of one of them; None if it
    does not tell. `why_not`: then the reason."""

    versions: Mapping[int, Mapping[int, int]]
    configs: Mapping[str, str] | None
    why_not: str = ""


async def found_brokers(brokers: Brokers) -> FoundBrokers:
    """Ask every broker. Raises aiokafka's errors."""
    admin = AIOKafkaAdminClient(**brokers.options(), client_id="fraudstream-doctor")
    try:
        await admin.start()
        client = admin._client
        numbers = sorted(broker.nodeId for broker in client.cluster.brokers())
        versions = {}
        for number in numbers:
            answer = await client.send(number, ApiVersionRequest())
            versions[number] = {key: newest for key, _, newest in answer.api_versions}
        configs, why_not = await _configs(admin, numbers[0])
        return FoundBrokers(versions, configs, why_not)
    finally:
        await admin.close()


async def _configs(admin: AIOKafkaAdminClient, number: int) -> tuple[Mapping[str, str] | None, str]:
    resource = ConfigResource(ConfigResourceType.BROKER, str(number), configs=None)
    try:
        (answer,) = await admin.describe_configs([resource])
    except IncompatibleBrokerVersion:
        return None, "it has no such request"
    (described,) = answer.to_object()["resources"]
    if described["error_code"]:
        return None, for_code(described["error_code"]).__name__
    return {entry["config_names"]: entry["config_value"] for entry in described["config_entries"]}, ""


def broker_findings(found: FoundBrokers, *, needs_transactions: bool) -> list[Finding]:
    """What is wrong with the brokers."""
    findings = list(_findings(found, needs_transactions))
    if not any(finding.severity != "ok" for finding in findings):
        count = len(found.versions)
        findings.append(Finding(CHECK, "ok", "cluster", f"{count} broker{'s' if count > 1 else ''} of one release"))
    return findings


def _findings(found: FoundBrokers, needs_transactions: bool) -> Iterator[Finding]:
    if len({tuple(sorted(of_broker.items())) for of_broker in found.versions.values()}) > 1:
        numbers = ", ".join(map(str, found.versions))
        what = f"brokers {numbers} serve different versions of requests: they run different releases"
        yield Finding(CHECK, "warning", "cluster", what, "finish the brokers' upgrade")
    for number, versions in found.versions.items():
        where = f"broker {number}"
        if needs_transactions and AddPartitionsToTxnRequest.API_KEY not in versions:
            remedy = "use Apache Kafka, or worker.checkpoint_mode=batch with a single worker"
            yield Finding(CHECK, "error", where, "has no transactions: no worker starts", remedy)
        if needs_transactions and versions.get(_METADATA, 0) < _METADATA_WITH_IDS:
            what = "tells no topic ids: a topic that was created again is not noticed"
            yield Finding(CHECK, "warning", where, what, "Apache Kafka 2.8 or later")
    if found.configs is None:
        if needs_transactions:
            what = f"its settings were not checked: {found.why_not}"
            yield Finding(CHECK, "warning", "cluster", what, "run doctor with DESCRIBE_CONFIGS on the cluster")
        return
    for name, (harmful, why) in _HARMFUL.items():
        if found.configs.get(name) == harmful:
            yield Finding(CHECK, "warning", "cluster", f"{name} is {harmful}: {why}", f"{name}=false on all brokers")
    wanted = min(3, len(found.versions))
    for name in _INTERNAL:
        if (value := found.configs.get(name)) is not None and int(value) < wanted:
            what = f"{name} is {value}: positions and transactions are lost with one broker"
            yield Finding(CHECK, "warning", "cluster", what, f"{wanted}, and reassign the internal topics")
