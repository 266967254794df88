"""The metrics of a running worker count what passes through the broker."""

import asyncio
import json
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.kafka import Brokers
from fraudstream.operations.apply_topics import apply_topics
from fraudstream.stream.settings import StreamSettings
from fraudstream.stream.topics.file import Topic
from fraudstream.stream.worker import serve
from fraudstream.telemetry import http
from fraudstream.telemetry.worker import WorkerTelemetry
from tests.integration.telemetry.real_prometheus import Prometheus, needs_prometheus, scraping

WAIT_S = 90.0

RULE_SET = {
    "features.yaml": """
version: 1
entities:
  account: {key: account_id, slots: 8, panes: {width: 2d, count: 16}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
""",
    "score.yaml": "threshold: 0.9\nparts: []\n",
    "velocity/third_payment.yaml": """
id: 5d1f0f1d-7a42-4c3b-9a0e-0b6f6c1e6a55
title: Third payment in an hour
status: live
severity: high
tags: [typology.velocity]
when: account.payments_1h >= 3
message: "{account.payments_1h} payments in an hour"
blind_spots: [slower series]
false_positives: [shopping]
""",
}


class RunningWorker(NamedTuple):
    """A worker within this process. `url`: of its metrics port."""

    url: str
    task: asyncio.Task[None]
    settings: StreamSettings

    async def page(self, path: str) -> str:
        """The body of the answer to GET `path`."""

        def get() -> str:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
                return str(answer.read().decode())

        return await asyncio.to_thread(get)

    async def value(self, name: str, **labels: str) -> float:
        """Sum of the samples of a metric whose labels include these."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(await self.page("/metrics"))
            for sample in family.samples
            if sample.name == f"fraudstream_{name}" and labels.items() <= sample.labels.items()
        )

    async def wait_for(self, expected: float, name: str, **labels: str) -> None:
        """Wait until `value` is as expected. Fails after `WAIT_S`, or with the failure of the worker."""
        deadline = time.monotonic() + WAIT_S
        while (found := await self.value(name, **labels)) != expected:
            if self.task.done():
                self.task.result()  # raises the failure of the worker
            assert time.monotonic() < deadline, f"{name} {labels}: {found}, not {expected}, after {WAIT_S} s"
            await asyncio.sleep(0.1)


@pytest.fixture
async def worker(broker: str, unique_name: Callable[[str], str]) -> AsyncIterator[RunningWorker]:
    """A worker of one stage with metrics, stopped after the test."""
    settings = StreamSettings(
        brokers=Brokers(broker),
        checkpoint_mode="batch",
        group=unique_name("group"),
        payments_topic=unique_name("payments"),
        labels_topic=None,
        decisions_topic=unique_name("decisions"),
        alerts_topic=unique_name("alerts"),
        dead_letters_topic=unique_name("dead-letters"),
        controls_topic=unique_name("controls"),
        checkpoint_s=0.2,
    )
    names = (
        *(settings.payments_topic, settings.decisions_topic, settings.alerts_topic, settings.dead_letters_topic),
        settings.controls_topic,
        settings.changelog_topic,
    )
    await apply_topics(Brokers(broker), [Topic(name, 2, 1, {}) for name in names])
    telemetry = WorkerTelemetry(CollectorRegistry(), version="1.2.3", reasons=["not_json"])
    stop = asyncio.Event()
    with http.serving(telemetry.registry, telemetry.healthy, telemetry.ready) as url:
        running = asyncio.create_task(
            serve(settings, Engine(compile_rule_set(RULE_SET)), telemetry, [telemetry.watchdog], stop=stop)
        )
        try:
            yield RunningWorker(url, running, settings)
        finally:
            stop.set()
            await asyncio.wait([running])


def payment(number: int, at_ms: int) -> bytes:
    """Payment `e<number>` that occurred at `at_ms` (since the epoch, UTC), as JSON."""
    return json.dumps(
        {
            "event_id": f"e{number}",
            "occurred_at": at_ms,
            "account_id": "a1",
            "amount": "12.50",
            "currency": "EUR",
            "direction": "debit",
        }
    ).encode()


async def publish(worker: RunningWorker, values: Sequence[bytes]) -> None:
    """Publish payments of account a1."""
    async with AIOKafkaProducer(**worker.settings.brokers.options()) as producer:
        for value in values:
            await producer.send_and_wait(worker.settings.payments_topic, value, key=b"a1")


async def test_a_running_worker_counts_records_and_decisions(worker: RunningWorker) -> None:
    now_ms = int(time.time() * 1000)
    values = [payment(number, now_ms + number) for number in range(4)] + [b"{broken"]
    values += [payment(3, now_ms + 3), payment(3, now_ms + 4)]
    await publish(worker, values)
    await worker.wait_for(7, "records_total")
    assert await worker.value("payments_total") == 6
    assert await worker.value("decisions_total", outcome="allow") == 2
    assert await worker.value("decisions_total", outcome="review") == 4  # a repeat gets its first verdict
    assert await worker.value("repeated_payments_total") == 2
    assert await worker.value("altered_payments_total") == 1
    assert await worker.value("alerts_total") == 2
    assert await worker.value("alert_rules_total", rule="velocity/third_payment", severity="high") == 2
    assert await worker.value("dead_letters_total", reason="not_json") == 1
    assert await worker.value("since_occurred_seconds_count") == 6
    assert await worker.value("since_arrival_seconds_count") == 6
    assert await worker.value("batch_records_sum") == 7
    assert await worker.value("state_rows") == 1
    assert await worker.value("state_bytes") > 0
    assert await worker.value("lag_records") == 0
    assert 0 <= await worker.value("watermark_age_seconds") < 60
    await worker.wait_for(0, "unsaved_age_seconds")
    assert await worker.value("checkpoint_seconds_count") >= 1
    assert await worker.value("checkpoint_bytes_sum") > 0

    assert await worker.value("build_info", version="1.2.3", stage="account", checkpoint_mode="batch") == 1
    assert await worker.value("assigned_partitions") == 2
    assert await worker.value("recovery_seconds_count") == 2
    assert await worker.value("rebalances_total") >= 1
    assert await worker.page("/healthz") == "ok\n"
    assert await worker.page("/readyz") == "ok\n"


@needs_prometheus
async def test_a_real_prometheus_reads_a_running_worker(worker: RunningWorker, tmp_path: Path) -> None:
    now_ms = int(time.time() * 1000)
    await publish(worker, [payment(number, now_ms + number) for number in range(4)])
    await worker.wait_for(4, "records_total")

    def query(prometheus: Prometheus) -> None:
        prometheus.query_until_answered("fraudstream_payments_total == 4")
        prometheus.query_until_answered('fraudstream_alert_rules_total{rule="velocity/third_payment"} == 2')
        prometheus.query_until_answered("fraudstream_since_arrival_seconds_count == 4")
        prometheus.query_until_answered("sum(fraudstream_lag_records) == 0")

    with scraping({"fraudstream-worker": worker.url}, tmp_path) as prometheus:
        await asyncio.to_thread(query, prometheus)
