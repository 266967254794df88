"""A chain of four stages (examples/four_stages), and events that all of its stages have features of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from fraudstream.contracts import Label, Payment
from fraudstream.contracts.headers import LABEL_HEADER
from fraudstream.stream.settings import ALL_ENTITIES, StageForm
from tests.brokers import SelectedBroker
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import START_MS

_EXAMPLE = Path(__file__).parents[3] / "examples/four_stages"
FOUR_STAGES = {path.relative_to(_EXAMPLE).as_posix(): path.read_text() for path in sorted(_EXAMPLE.glob("**/*.yaml"))}


class RuleFiles(NamedTuple):
    """`texts`: rule files by path. `artefacts`: those that they name, by their digest."""

    texts: Mapping[str, str]
    artefacts: Mapping[str, bytes] = MappingProxyType({})


ITS_RULES = RuleFiles(FOUR_STAGES)
ONE_PARTITION_EACH = {"": 1, "account": 1, "device": 1, "merchant": 1, "counterparty": 1}
DIFFERENT_PARTITIONS = {"": 2, "account": 4, "device": 3, "merchant": 1, "counterparty": 5}


async def chain_cluster(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    directory: Path,
    partitions: Mapping[str, int],
    rules: RuleFiles = ITS_RULES,
) -> StreamCluster:
    """The chain's topics, created; `partitions`: by stage, and of the other topics by ''."""
    servers, is_kafka = selected_broker
    texts, artefacts = rules
    cluster = StreamCluster(servers, unique_name, directory, is_kafka, texts, partitions, artefacts)
    await cluster.create_topics()
    return cluster


async def cluster_of_form(
    selected_broker: SelectedBroker,
    unique_name: Callable[[str], str],
    directory: Path,
    stages: StageForm = "single",
    partitions: int = 1,
    rules: RuleFiles = ITS_RULES,
) -> StreamCluster:
    """The topics of four entities, created for this form of the stages; `partitions`: of the single stage."""
    counts = {**ONE_PARTITION_EACH, ALL_ENTITIES: partitions}
    servers, is_kafka = selected_broker
    cluster = StreamCluster(servers, unique_name, directory, is_kafka, rules.texts, counts, rules.artefacts)
    cluster.settings = msgspec.structs.replace(cluster.settings, stages=stages)
    await cluster.create_topics()
    return cluster


def events(count: int, start: int = 0) -> list[Payment | Label]:
    """Payments `start` to `start + count`, a minute apart, that share devices, merchants and payees.

    Some lack a device or a merchant, some are repeated, some are labelled fraud.
    """
    made: list[Payment | Label] = []
    for n in range(start, start + count):
        payment = Payment(
            event_id=f"e{n}",
            occurred_at=START_MS + 60_000 * n,
            account_id=f"a{n * 7 % 23}",
            amount=f"{n % 40 + 1}.50",
            currency="EUR",
            direction="debit",
            kind="transfer" if n % 3 else "purchase",
            device_id=f"d{n % 5}" if n % 4 else None,
            merchant_id=None if n % 3 else f"m{n % 4}",
            counterparty_id=f"c{n % 7}" if n % 3 else None,
        )
        made.append(payment)
        if n % 11 == 5:
            made.append(payment)
        if n % 13 == 4:
            merchant, device = payment.merchant_id, payment.device_id
            made.append(Label(payment.event_id, payment.account_id, "fraud", 1, merchant_id=merchant, device_id=device))
    return made


async def publish_events(cluster: StreamCluster, published: Iterable[Payment | Label]) -> None:
    """Publish payments and labels to the payments topic, keyed by account."""
    async with AIOKafkaProducer(**cluster.brokers.options()) as producer:
        for event in published:
            headers = [LABEL_HEADER] if isinstance(event, Label) else []
            value, key = msgspec.json.encode(event), event.account_id.encode()
            await producer.send(cluster.settings.payments_topic, value, key=key, headers=headers)


def payments_in(published: Sequence[Payment | Label]) -> int:
    """How many of the events are payments, repeats included."""
    return sum(isinstance(event, Payment) for event in published)
