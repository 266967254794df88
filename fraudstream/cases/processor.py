"""Processes the alerts, actions and customers' answers of one partition: updates its `CaseStore`, emits the results.

`handle` only collects results; `emit` writes them as one step: labels and dead letters first, then notices, cases and
answers, then the view and the observer. No record is fatal and none is dropped silently: an invalid one, and an answer
to a notice that the case refuses, go to the dead letters; an action that the case does not allow is rejected, logged
and counted. Every valid action is answered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeAlias

import msgspec
from aiokafka import ConsumerRecord
from msgspec.structs import replace

from fraudstream.cases.alert_traces import AlertTraces
from fraudstream.cases.amounts import AlertError
from fraudstream.cases.answer import answer_of
from fraudstream.cases.emission import PlainEmission
from fraudstream.cases.held import Held, HeldPair, RepeatedAction
from fraudstream.cases.labels import labels_of
from fraudstream.cases.notices import AnsweredNotice, RefusedAnswer, RepeatedAnswer, notice_of
from fraudstream.cases.observer import Observer
from fraudstream.cases.record import (
    CaseRecord,
    Position,
    case_record,
    origin_of,
    position_record,
    removal_record,
    source_of,
)
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.retention import ErasedCase
from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.store import CaseStore
from fraudstream.cases.view_writer import ViewWriter
from fraudstream.contracts import Alert, Case, CaseAction, Label, NoticeAnswer
from fraudstream.contracts.control_characters import control_character_path
from fraudstream.contracts.dead_letter import ReasonCode, dead_letter
from fraudstream.contracts.headers import LABEL_HEADER
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.tracing.context import TraceContext
from fraudstream.tracing.ports import UNTRACED, Span, Tracer

_alert = msgspec.json.Decoder(Alert)
_action = msgspec.json.Decoder(CaseAction)
_notice_answer = msgspec.json.Decoder(NoticeAnswer)

Record: TypeAlias = ConsumerRecord[bytes, bytes]
log = logging.getLogger(__name__)


class CaseProcessor:
    """Processes one partition.

    `store`: the partition's cases. `position`: the offsets after the last input whose results are durable. `emission`
    writes to Kafka, `view` to Redis. `tracer`: of the alerts whose traces are sampled.
    """

    def __init__(
        self,
        partition: int,
        store: CaseStore,
        position: Position,
        settings: AgentSettings,
        emission: PlainEmission,
        view: ViewWriter,
        observer: Observer,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self.position = position
        self._ahead = position  # after the last input that was processed
        self._before: list[CaseRecord] = []  # labels and dead letters
        self._cases: list[CaseRecord] = []
        self._changed: list[Case | ErasedCase] = []  # the cases of these records
        self._answers: list[CaseRecord] = []
        self._notices: list[CaseRecord] = []
        self._notifications: list[Callable[[], None]] = []  # of the observer, once the step is durable
        self._partition = partition
        self._store = store
        self._settings = settings
        self._emission = emission
        self._view = view
        self._observer = observer
        self._traces = AlertTraces(settings, partition, tracer)

    def handle(self, record: Record) -> None:
        """Handle a record of one of the input topics."""
        if record.topic == self._settings.alerts_topic:
            self.alert(record)
        elif record.topic == self._settings.case_actions_topic:
            self.action(record)
        else:
            self.notice_answer(record)

    def alert(self, record: Record) -> None:
        """Group the alert in `record` into a case."""
        self._ahead = replace(self._ahead, alerts=record.offset + 1)
        with self._traces.handling(record) as span:
            self._alert(record, span)

    def _alert(self, record: Record, span: Span | None) -> None:
        alert = self._decoded(_alert, record)
        if alert is None:
            return
        try:
            held = self._store.alert(alert, source_of(record.headers), origin_of(record.headers), record.timestamp)
        except AlertError as error:
            self._reject(record, error.reason, str(error), error.path)
            return
        if held is None:
            self._notifications.append(partial(self._observer.on_repeat, self._partition, kind="alert"))
            if not alert.late and self._store.disagrees(alert):  # of a late payment the first verdict is not kept
                log.error("alert %s of %s was repeated with a different verdict", alert.alert_id, alert.account_id)
                self._notifications.append(partial(self._observer.on_mismatch, self._partition))
            return
        self._collect(held, trace=self._traces.of_case(span, held.case))
        opened = held.case.version == 1
        on_alert = partial(self._observer.on_alert, self._partition, severity=alert.severity, opened=opened)
        self._notifications.append(on_alert)

    def action(self, record: Record) -> None:
        """Apply the analyst's action in `record` to its case."""
        self._ahead = replace(self._ahead, case_actions=record.offset + 1)
        action = self._decoded(_action, record)
        if action is None:
            return
        result = self._store.act(action, record.timestamp)
        self._answer(action, result)
        match result:
            case RepeatedAction():
                self._notifications.append(partial(self._observer.on_repeat, self._partition, kind="action"))
            case RejectedAction() if action.action == "expire":
                log.info("action %s has come to nothing: the case has moved on", action.action_id)
            case RejectedAction(code, sentence):
                log.warning("action %s of %s rejected (%s): %s", action.action_id, action.actor, code, sentence)
                self._notifications.append(partial(self._observer.on_rejected, self._partition, code=code))
            case ErasedCase() as erased:
                self._collect_removal(erased, "erasure")
            case Held() as held:
                self._label_closed(held, action)
                if action.action == "ask":
                    self._ask(held, action)
                self._collect(held)
                self._notifications.append(partial(self._observer.on_action, self._partition, action=action.action))
            case HeldPair(held, other):
                self._collect(held, with_next=True)
                self._collect(other)
                self._notifications.append(partial(self._observer.on_action, self._partition, action=action.action))

    def notice_answer(self, record: Record) -> None:
        """Apply the customer's answer in `record` to its case. One that is refused goes to the dead letters."""
        self._ahead = replace(self._ahead, notice_answers=record.offset + 1)
        answer = self._decoded(_notice_answer, record)
        if answer is None:
            return
        observed = partial(self._observer.on_notice_answer, self._partition)
        match self._store.answer(answer, record.timestamp):
            case RepeatedAnswer():
                self._notifications.append(partial(self._observer.on_repeat, self._partition, kind="notice_answer"))
            case RefusedAnswer(code, sentence):
                self._reject(record, "notice_answer", f"{code}: {sentence}", "$")
                self._notifications.append(partial(observed, outcome=code))
            case AnsweredNotice(held, label):
                self._label(held, [label])
                self._collect(held)
                self._notifications.append(partial(observed, outcome=answer.reply))

    async def expire(self, now_ms: int, absent: Collection[str] = ()) -> None:
        """Publish the expiries of the timers that are due by `now_ms`, and wait until they are durable. They take
        effect when they are read. `absent`: analysts who get no case. Raises as `emit` does."""
        topic = self._settings.case_actions_topic
        expiries = [
            CaseRecord(topic, each.account_id.encode(), msgspec.json.encode(each), partition=self._partition)
            for each in self._store.due(now_ms, absent)
        ]
        if expiries:
            await self._emission.send(expiries)

    async def retire(self, now_ms: int) -> None:
        """Remove closed cases whose time is up at `now_ms`, and wait until that is durable. Raises as `emit` does."""
        for case_id in self._store.retire(now_ms):
            self._collect_removal(ErasedCase(case_id), "retention")
        if self._cases:
            await self.emit()

    async def emit(self) -> None:
        """Write the collected results and wait until they are durable.

        Raises `TimeoutError` or aiokafka's errors if it is unknown whether they are; the agent must end then.
        """
        if self._before:
            await self._emission.send(self._before)
        if self._cases or self._answers:
            offset = await self._emission.emit(self._partition, self._case_records(), self._answers, self._notices)
        if self._cases:
            self._view.put(self._partition, self._changed, offset)
            self._observer.on_open_cases(self._partition, cases=self._store.open_cases)
            self._observer.on_service_levels(self._partition, levels=self._store.service_levels)
        self._traces.end()
        for notify in self._notifications:
            notify()
        self.position = self._ahead
        self._before, self._cases, self._changed, self._notifications = [], [], [], []
        self._answers, self._notices = [], []

    def _case_records(self) -> list[CaseRecord]:
        """The records of the step on `cases`. Where a case leaves, the position has a record of its own, at the end."""
        if not any(isinstance(each, ErasedCase) for each in self._changed):
            return self._cases
        return [*self._cases, position_record(self._settings.cases_topic, self._partition, self._ahead)]

    def _collect(self, held: Held, *, with_next: bool = False, trace: TraceContext | None = None) -> None:
        """Collect a case that was changed. `with_next`: the same action has changed the next one, too. `trace`: that
        the alert which changed it belongs to."""
        record = case_record(self._settings.cases_topic, self._partition, held, self._ahead, with_next=with_next)
        self._cases.append(record if trace is None else record.in_trace(trace))
        self._changed.append(held.case)

    def _collect_removal(self, erased: ErasedCase, reason: str) -> None:
        """Collect a case that has left."""
        self._cases.append(removal_record(self._settings.cases_topic, self._partition, erased.case_id))
        self._changed.append(erased)
        self._notifications.append(partial(self._observer.on_removed, self._partition, reason=reason))

    def _answer(
        self, action: CaseAction, result: Held | HeldPair | RejectedAction | RepeatedAction | ErasedCase
    ) -> None:
        """Collect the answer to an action."""
        answer = answer_of(action, result, self._store.case(action.case_id))
        topic, key = self._settings.case_answers_topic, action.account_id.encode()
        self._answers.append(CaseRecord(topic, key, msgspec.json.encode(answer), partition=self._partition))

    def _ask(self, held: Held, action: CaseAction) -> None:
        """Collect the notice of a case whose customer is asked."""
        notice = notice_of(held.case, action, self._partition)
        key, topic = held.case.account_id.encode(), self._settings.notices_topic
        self._notices.append(CaseRecord(topic, key, msgspec.json.encode(notice), partition=self._partition))

    def _label_closed(self, held: Held, action: CaseAction) -> None:
        """Collect the labels of a case that was closed."""
        labels = labels_of(held.case, action)
        if not labels:
            return
        unlabelled = held.case.alert_count - len(labels)
        if unlabelled:
            log.warning("case %s: %d alerts are no longer listed and got no label", held.case.case_id, unlabelled)
        self._label(held, labels, unlabelled)

    def _label(self, held: Held, labels: Sequence[Label], unlabelled: int = 0) -> None:
        """Collect labels of a case's payments.

        They go to the partition of the payments, if the alerts name it, as publishers may use any partitioner; else to
        the one that Kafka's default partitioner chooses for the account.
        """
        topic = self._settings.payments_topic
        for each in labels:
            key, value = each.account_id.encode(), msgspec.json.encode(each)
            partition = held.origin_of(each.account_id)
            self._before.append(CaseRecord(topic, key, value, self._label_headers(value), partition))
        on_labels = partial(self._observer.on_labels, self._partition, labels=len(labels), unlabelled=unlabelled)
        self._notifications.append(on_labels)

    def _label_headers(self, value: bytes) -> tuple[tuple[str, bytes], ...]:
        secrets = self._settings.label_secrets
        return (LABEL_HEADER,) if secrets is None else (LABEL_HEADER, secrets.header(value))

    def _decoded(self, decoder: msgspec.json.Decoder[Any], record: Record) -> Any:
        """The alert or action in `record`; None if it is invalid and goes to the dead letters."""
        try:
            event = decoder.decode(record.value or b"")
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            sentence, _, path = str(error).partition(" - at `")
            self._reject(record, "invalid", sentence, path.rstrip("`") or "$")
            return None
        except UNDECODABLE as error:
            self._reject(record, "not_json", str(error), "$")
            return None
        if (at := control_character_path(event)) is not None:
            self._reject(record, "invalid", "an identifier holds a control character, such as a line break", at)
            return None
        if record.key != event.account_id.encode():
            self._reject(record, "key", f"the record's key is not its account_id {event.account_id}", "$.account_id")
            return None
        return event

    def _reject(self, record: Record, reason: ReasonCode, sentence: str, path: str) -> None:
        """Log `record` and collect it for the dead letters."""
        log.warning("%s-%d: offset %d: %s: %s", record.topic, record.partition, record.offset, reason, sentence)
        letter = dead_letter(record, record.topic, record.partition, reason, sentence, path)
        topic = self._settings.dead_letters_topic
        self._before.append(CaseRecord(topic, letter.key, msgspec.json.encode(letter)))
        self._notifications.append(partial(self._observer.on_dead_letter, self._partition, reason=reason))
