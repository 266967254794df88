"""Explains one payment: finds it in the log, decides it again, and compares the result with what was sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from fraudstream.contracts import Alert, Decision, Payment
from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.contracts.record_signature import NOT_REQUIRED, RecordSignatures
from fraudstream.controls.reader import read_artefacts, read_controls
from fraudstream.controls.topic import ControlsTopic
from fraudstream.engine.artefacts import artefacts_named
from fraudstream.engine.decode import decode
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.engine import Engine
from fraudstream.engine.forwarded_features import OtherFeatures
from fraudstream.engine.rule_set import RuleSet, RuleSetErrors, compile_rule_set
from fraudstream.engine.trial import Trial
from fraudstream.explain.chain import StageChecked, check_stages
from fraudstream.explain.difference import Difference, differences
from fraudstream.explain.event_records import EventRecord, find_event_records
from fraudstream.explain.rerun import Rerun, RerunError, rerun_payment
from fraudstream.explain.sent import LogPosition, Sent, find_alert, find_decision, likely_first
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader

_encode = msgspec.json.Encoder().encode


class Explained(msgspec.Struct, frozen=True):
    """The explanation of one payment.

    `topic`, `partition`, `offset`: the payment's position in the log of the stage that decides. `published_at_ms`: the
    record's timestamp, ms since the epoch, UTC. `log_begins_at`: the first offset that the partition still has; if it
    is above 0, earlier payments of the account may be missing. `records_before`: number of records applied before the
    payment. `lists_unknown`: as in `Rerun`. `rule_set`: digest.

    `sent`: the alert or decision that was found, None if there is none; `sent_as`: "alert" or "decision".
    `differences`: between that and the result of the re-run. `stages`: the stages before the one that decides, in
    order. `agrees`: there are no differences, neither here nor in a stage; None if nothing was sent to compare with.
    `records`: all records of the event, if the payment was named by it.
    """

    topic: str
    partition: int
    offset: int
    published_at_ms: int
    log_begins_at: int
    records_before: int
    lists_unknown: tuple[str, ...]
    rule_set: str
    sent: Alert | Decision | None
    sent_as: str | None
    agrees: bool | None
    differences: tuple[Difference, ...]
    stages: tuple[StageChecked, ...]
    trial: Trial
    records: tuple[EventRecord, ...] = ()


class NotDecided(msgspec.Struct, frozen=True):
    """A payment of which there are only dead letters: `records`."""

    event_id: str
    account_id: str
    records: tuple[EventRecord, ...]
    decided: bool = False


class Topics(msgspec.Struct, frozen=True):
    """Names of the topics. `between`: gives the log that a later stage reads, from the stage's name and the state
    version. `single`: whether one stage had all entities, from the stages of a chain and the state version.
    `state_version`: that of the current workers."""

    payments: str
    alerts: str
    decisions: str
    dead_letters: str
    controls: ControlsTopic
    between: Callable[[str, int], str]
    single: Callable[[Sequence[str], int], bool]
    state_version: int


class Explainer:
    """Explains payments. Its methods raise `RerunError`, `NoTopicError`, `StalledError` and aiokafka's errors.

    `own`: the local rule set; any other one that decided a payment is read from the topic of controls.
    `too_far_ahead_ms`: the worker's setting. `digest_key`, `signatures`: the workers'.
    """

    def __init__(
        self,
        reader: TopicReader,
        topics: Topics,
        own: RuleSet,
        too_far_ahead_ms: int,
        digest_key: DigestKey,
        signatures: RecordSignatures = NOT_REQUIRED,
    ) -> None:
        self._signatures = signatures
        self._reader, self._topics, self._own = reader, topics, own
        self._too_far_ahead_ms, self._digest_key = too_far_ahead_ms, digest_key

    async def alert(self, alert_id: str, since_ms: int | None) -> Explained:
        """Explain the payment of an alert. The alerts topic is searched back to `since_ms` (ms since the epoch, UTC),
        or to its beginning."""
        sent = await find_alert(self._reader, self._topics.alerts, alert_id, since_ms)
        if sent is None:
            when = "" if since_ms is None else " since then"
            raise RerunError(
                f"'{self._topics.alerts}' has no alert {alert_id}{when}. If retention has deleted it, name its "
                "payment: --event EVENT_ID --account ACCOUNT_ID."
            )
        return await self._explain(sent.position, sent)

    async def event(self, event_id: str, account_id: str, since_ms: int | None) -> Explained | NotDecided:
        """Explain any payment, alerted or not, and list its records. The decisions topic is searched as in `alert`."""
        topics = self._topics
        records = await find_event_records(
            self._reader, topics.decisions, topics.dead_letters, event_id, account_id, since_ms
        )
        try:
            explained = await self._event(event_id, account_id, since_ms)
        except RerunError:
            if records and all(record.what == "dead letter" for record in records):
                return NotDecided(event_id, account_id, records)
            raise
        return msgspec.structs.replace(explained, records=records)

    async def _event(self, event_id: str, account_id: str, since_ms: int | None) -> Explained:
        decided: Sent | None
        try:
            decided = await find_decision(self._reader, self._topics.decisions, event_id, account_id, since_ms)
        except NoTopicError:
            decided = None
        if decided is not None:
            return await self._explain(decided.position, decided)
        [*_, (_, log)] = self._stages(self._own, self._topics.state_version)
        position = await self._find_payment(log, event_id, account_id)
        if position is None:
            raise RerunError(f"'{log}' has no payment {event_id} of account {account_id}.")
        return await self._explain(position, None)

    async def _explain(self, position: LogPosition, sent: Sent | None) -> Explained:
        rule_set = self._own if sent is None else await self._rule_set(sent.answer.rule_set)
        version = self._topics.state_version if sent is None else sent.state_version
        *before, (engine, log) = self._stages(rule_set, version)
        try:
            rerun = await rerun_payment(self._reader, log, position, engine, self._topics.controls)
        except OtherFeatures as error:
            raise RerunError(
                f"the payments in {log} have features of a different rules/features.yaml than rule set "
                f"{rule_set.digest}, or of another identifier secret. Pass the directory of the rules that decided "
                "them with --rules, the secret with --identifier-secret."
            ) from error
        stages = await check_stages(self._reader, before, rerun.record)
        return _explained(log, position, rule_set, rerun, stages, sent)

    def _stages(self, rule_set: RuleSet, state_version: int) -> list[tuple[Engine, str]]:
        """Engine and log of each stage, in order. The first log is the payments topic, whatever the state version."""
        of_all = Engine(rule_set, None, self._too_far_ahead_ms, self._digest_key, self._signatures)
        if len(of_all.stages) > 1 and self._topics.single(of_all.stages, state_version):
            return [(of_all, self._topics.payments)]
        between = [self._topics.between(stage, state_version) for stage in of_all.stages[1:]]
        logs = [self._topics.payments, *between]
        return [(of_all.of_stage(stage), log) for stage, log in zip(of_all.stages, logs, strict=True)]

    async def _rule_set(self, digest: str) -> RuleSet:
        """The rule set with this digest, compiled. Raises `RerunError`."""
        if digest == self._own.digest:
            return self._own
        topic = self._topics.controls
        try:
            files = (await read_controls(topic)).rule_sets.get(digest)
            artefacts = {} if files is None else await read_artefacts(topic, artefacts_named(files))
        except NoTopicError:
            files = None
        if files is None:
            raise RerunError(
                f"rule set {digest} decided this payment, but it is neither on the topic '{topic.name}' nor "
                f"the local one ({self._own.digest}). Pass its directory with --rules, such as a checkout of the rules "
                "as they were then."
            )
        try:
            return compile_rule_set(files, artefacts=artefacts, accepted=True)
        except RuleSetErrors as errors:
            raise RerunError(f"rule set {digest} cannot be used by this release: {errors.faults[0]}") from errors

    async def _find_payment(self, log: str, event_id: str, account_id: str) -> LogPosition | None:
        """The first position of the payment, found by reading the log from its beginning; None if it is not there."""
        needle = _encode(event_id)
        for partition in likely_first(await self._reader.partitions(log), account_id):
            async for records in self._reader.whole(log, partition, contiguous=True):
                for record in records:
                    value = record.value or b""
                    if needle not in value and b"\\" not in value:  # JSON may escape any character
                        continue
                    if LABEL_HEADER in record.headers or CONTROL_HEADER in record.headers:
                        continue
                    [event] = decode([value])
                    if isinstance(event, Payment) and (event.event_id, event.account_id) == (event_id, account_id):
                        return LogPosition(partition, record.offset)
        return None


def _explained(
    log: str,
    position: LogPosition,
    rule_set: RuleSet,
    rerun: Rerun,
    stages: tuple[StageChecked, ...],
    sent: Sent | None,
) -> Explained:
    """The explanation, from the results of the re-runs and from what was sent."""
    found = () if sent is None else _differences(sent, rerun)
    agrees = None if sent is None else not found
    if any(stage.agrees is False for stage in stages):
        agrees = False
    return Explained(
        topic=log,
        partition=position.partition,
        offset=position.offset,
        published_at_ms=rerun.record.timestamp,
        log_begins_at=rerun.begin,
        records_before=rerun.before,
        lists_unknown=rerun.lists_unknown,
        rule_set=rule_set.digest,
        sent=None if sent is None else sent.answer,
        sent_as=None if sent is None else "alert" if isinstance(sent.answer, Alert) else "decision",
        agrees=agrees,
        differences=found,
        stages=stages,
        trial=rerun.trial,
    )


def _differences(sent: Sent, rerun: Rerun) -> tuple[Difference, ...]:
    """Differences between what was sent and the re-run; empty if the bytes equal one of the answers that a worker can
    send."""
    now: list[Alert | Decision]
    if isinstance(sent.answer, Decision):
        now = [rerun.trial.decision]
    else:
        now = [alert for alert in (rerun.trial.alert, rerun.alert_seen_whole) if alert is not None]
    values = [_encode(answer) for answer in now]
    if sent.value in values:
        return ()
    if not values:
        return (Difference("$", "an alert", "no alert"),)
    return tuple(differences(sent.value, values[0])) or (Difference("$", "other bytes of the same content", "ours"),)
