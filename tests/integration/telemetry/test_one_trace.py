"""One trace shows a payment from the HTTP request to its case: through a gateway, a chain of two stages and the case
agent, each a process of its own, on a real broker and a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from fraudstream.tracing.context import TraceContext, context_of
from tests.integration.cases.agent_process import agent_process
from tests.integration.cases.case_cluster import PARTITIONS as CASE_PARTITIONS
from tests.integration.cases.case_cluster import CaseCluster
from tests.integration.gateway.gateway_cluster import LONG, GatewayCluster, post
from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.payments import payment
from tests.integration.stream.rules import RULES
from tests.integration.telemetry.collector import collecting, needs_collector
from tests.otlp_receiver import ExportedSpan, OtlpReceiver, otlp_receiver

WAIT_S = 90.0
# Where the spans are written to, as JSON, for `docsite.trace_picture`.
PICTURE_VARIABLE = "FRAUDSTREAM_TEST_TRACE_FILE"
CALLER = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")

TWO_STAGES = dict(RULES) | {
    "features.yaml": """
version: 1
entities:
  account: {key: account_id, slots: 64}
  device: {key: device_id, slots: 64}
features:
  account.payments_30d: {aggregate: count, window: 30d}
  device.payments_30d: {aggregate: count, window: 30d}
"""
}


@contextmanager
def directly(receiver: OtlpReceiver, directory: Path) -> Iterator[str]:
    """Without a collector."""
    yield receiver.url


@contextmanager
def through_a_collector(receiver: OtlpReceiver, directory: Path) -> Iterator[str]:
    """With one, which passes on what it takes."""
    with collecting(receiver.url, directory) as url:
        yield url


@pytest.mark.parametrize("way", [directly, pytest.param(through_a_collector, marks=needs_collector)])
async def test_a_payment_is_followed_from_the_request_to_its_case(
    way: Callable[..., Iterator[str]], broker: str, redis_url: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    with otlp_receiver() as receiver, way(receiver, tmp_path) as endpoint:  # type: ignore[attr-defined]
        topics = Topics(broker, redis_url, unique_name, tmp_path / "rules", str(endpoint))
        case, spans = await topics.follow_one_payment(receiver)
    suffix = unique_name("")
    spans = [span._replace(name=span.name.replace(suffix, "")) for span in spans]
    by_name = {span.name: span for span in spans}
    way_of_the_payment = (
        ("fraudstream-gateway", "POST /v1/decisions"),
        ("fraudstream-gateway", "send payments"),
        ("fraudstream-worker", "forward payments"),
        ("fraudstream-worker", "send group-payments-by-device"),
        ("fraudstream-worker", "decide group-payments-by-device"),
        ("fraudstream-worker", "send alerts"),
        ("fraudstream-cases", "process alerts"),
        ("fraudstream-cases", "send cases"),
    )
    parent_id = CALLER.span_id
    for service, name in way_of_the_payment:
        span = by_name[name]
        assert (span.service, span.parent_id, span.error) == (service, parent_id, None)
        parent_id = span.span_id
    assert by_name["send decisions"].parent_id == by_name["decide group-payments-by-device"].span_id
    assert len(spans) == len(way_of_the_payment) + 1
    assert case == TraceContext(CALLER.trace_id, parent_id), "the record of the case names the last span"
    batches = [span for span in receiver.spans if (CALLER.trace_id, by_name["send payments"].span_id) in span.links]
    assert [span.name.replace(suffix, "") for span in batches] == ["process payments"]
    write_picture(spans)


class Topics:
    """The topics and processes of one test. `endpoint`: where they send spans."""

    def __init__(
        self, broker: str, redis_url: str, unique_name: Callable[[str], str], directory: Path, endpoint: str
    ) -> None:
        directory.mkdir()
        partitions = {"": CASE_PARTITIONS, "account": 4, "device": 2}
        stream = StreamCluster(broker, unique_name, directory, rules=TWO_STAGES, partitions=partitions)
        self._gateways = GatewayCluster(stream, unique_name("replies"))
        self._cases = CaseCluster(broker, redis_url, unique_name)
        self._directory = directory
        self._traced = {"telemetry.otlp_endpoint": endpoint, "telemetry.sample_ratio": "0"}

    async def follow_one_payment(self, receiver: OtlpReceiver) -> tuple[TraceContext | None, list[ExportedSpan]]:
        """Send two payments, the second of which has a trace and an alert. The context in the record of its case, and
        the spans of the trace."""
        cases = self._cases.settings
        await self._gateways.create_topics()
        await self._cases.create_topics(
            (cases.case_actions_topic, cases.case_answers_topic, cases.cases_topic, cases.notices_topic)
        )
        await self._cases.create_topics((cases.notice_answers_topic,))
        with (self._directory / "cases.log").open("wb") as log, agent_process(self._cases, self._traced, log):
            worker = self._gateways.worker("worker", self._traced)
            gateway = self._gateways.start("gateway", self._traced)
            try:
                await worker.logs("worker of stage", 2)
                url = await self._gateways.url_of(gateway)
                async with httpx.AsyncClient() as client:
                    await until_decided(client, url, payment(0, "a", device_id="d"))
                    second = payment(1, "a", device_id="d")
                    answer = await post(client, url, second, {**LONG, "traceparent": CALLER.traceparent})
                assert answer.json()["outcome"] == "review"
                context = await self._context_of_case()
                await gateway.stop()
                await worker.stop()
            finally:
                self._gateways.close()
            return context, await trace_of(receiver, CALLER.trace_id, "send cases")

    async def _context_of_case(self) -> TraceContext | None:
        deadline_s = time.monotonic() + WAIT_S
        while True:
            records = await self._cases.records(self._cases.settings.cases_topic)
            if records:
                return context_of(records[-1].headers)
            assert time.monotonic() < deadline_s, (self._directory / "cases.log").read_text()
            await asyncio.sleep(0.1)


async def until_decided(client: httpx.AsyncClient, url: str, body: bytes) -> None:
    """Send a payment until it is decided: the worker starts at the same time."""
    deadline_s = time.monotonic() + WAIT_S
    while (await post(client, url, body, LONG)).json()["outcome"] == "timeout":
        assert time.monotonic() < deadline_s, "the worker decides nothing"


async def trace_of(receiver: OtlpReceiver, trace_id: str, last: str) -> list[ExportedSpan]:
    """The spans of a trace, by their beginnings, once one is there whose name begins with `last`."""
    deadline_s = time.monotonic() + WAIT_S
    while True:
        spans = [span for span in receiver.spans if span.trace_id == trace_id]
        if any(span.name.startswith(last) for span in spans):
            return sorted(spans, key=lambda span: span.began_ns)
        assert time.monotonic() < deadline_s, [span.name for span in spans]
        await asyncio.sleep(0.1)


def write_picture(spans: Sequence[ExportedSpan]) -> None:
    """Write the spans to the file of the variable, if it is set."""
    if path := os.environ.get(PICTURE_VARIABLE):
        rows: list[Mapping[str, object]] = [
            span._asdict() | {"name": span.name.replace("group-", "fraudstream-")} for span in spans
        ]
        Path(path).write_text(json.dumps(rows, indent=1))
