"""The trace of an alert goes on in the record of the case that it changes."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fraudstream.cases.observer import Unobserved
from fraudstream.cases.processor import CaseProcessor
from fraudstream.cases.record import CaseRecord, Position, held_of
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Alert
from fraudstream.tracing.context import context_of
from fraudstream.tracing.current import current_context
from fraudstream.tracing.ports import UNTRACED, Tracer
from tests.recorded_spans import CALLER, TRACE_ID, RecordingTracer
from tests.unit.cases.events import alert
from tests.unit.cases.processing import Emission, record_of


class KeptCases(Emission):
    def __init__(self) -> None:
        super().__init__()
        self.cases: list[CaseRecord] = []

    async def emit(self, partition: int, cases: Any, answers: Any, notices: Any) -> int:
        self.cases += cases
        return await super().emit(partition, cases, answers, notices)


async def cases_of(tracer: Tracer, *alerts: tuple[Alert, Any]) -> list[CaseRecord]:
    """The records of cases after these alerts, each with the headers of its record."""
    emission = KeptCases()
    settings = SimpleNamespace(cases_topic="cases", group="fraudstream-cases")
    view = SimpleNamespace(put=lambda *_: None)
    processor = CaseProcessor(
        0, CaseStore(), Position(), cast(Any, settings), cast(Any, emission), cast(Any, view), Unobserved(), tracer
    )
    for offset, (event, headers) in enumerate(alerts):
        processor.alert(record_of(event, offset, headers))
    await processor.emit()
    return emission.cases


async def test_the_case_refers_to_a_span_in_the_trace_of_the_alert() -> None:
    tracer = RecordingTracer()
    plain, traced = await cases_of(tracer, (alert("a1"), ()), (alert("a2"), CALLER.headers()))
    (process,), (send,) = tracer.named("process alerts"), tracer.named("send cases")
    assert (process.parent, process.kind, process.ended) == (CALLER, "consumer", 1)
    assert process.attributes["messaging.kafka.offset"] == 1
    assert (send.parent, send.kind, send.ended) == (process.context, "producer", 1)
    held, _ = held_of(traced.value or b"", traced.headers)
    assert send.attributes["fraudstream.case_id"] == held.case.case_id
    assert (context_of(plain.headers), context_of(traced.headers)) == (None, send.context)


async def test_without_a_tracer_the_context_of_the_alert_is_carried_on() -> None:
    (case,) = await cases_of(UNTRACED, (alert("a1"), CALLER.headers()))
    assert context_of(case.headers) == CALLER


async def test_an_alert_that_changes_nothing_ends_its_span_and_writes_none() -> None:
    tracer = RecordingTracer()
    records = await cases_of(tracer, (alert("a1"), ()), (alert("a1"), CALLER.headers()))
    assert len(records) == 1
    assert [(span.name, span.ended) for span in tracer.spans] == [("process alerts", 1)]


async def test_what_is_logged_of_an_alert_belongs_to_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    found: list[str | None] = []

    class Traced(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            context = current_context()
            found.append(None if context is None else context.trace_id)

    logger, handler = logging.getLogger("fraudstream.cases"), Traced()
    logger.addHandler(handler)
    try:
        other = alert("a1", verdict_digest="f" * 16)
        await cases_of(RecordingTracer(), (alert("a1"), ()), (other, CALLER.headers()), (other, ()))
    finally:
        logger.removeHandler(handler)
    assert found == [TRACE_ID, None]
