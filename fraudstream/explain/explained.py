"""One payment explained: found in the log, judged again, and compared with what was sent."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fraudstream.contracts import Alert, Decision, Payment
from fraudstream.contracts.headers import LABEL_HEADER
from fraudstream.engine.decode import decode
from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.trial import Trial
from fraudstream.explain.difference import Difference, differences
from fraudstream.explain.rerun import Rerun, RerunError, judge_again
from fraudstream.explain.sent import Place, Sent, find_alert, find_decision, likely_first
from fraudstream.explain.topic_reader import NoTopicError, TopicReader

_encode = msgspec.json.Encoder().encode

RuleSets = Callable[[str | None], RuleSet]  # by digest; None: those in force now


class Explained(msgspec.Struct, frozen=True):
    """`topic`, `partition`, `offset`: where the payment stands. `log_begins_at`: the first offset the partition still
    has; above 0 the account's earlier payments may be unknown here. `records_before`: records that were applied before.

    `sent`: the alert or decision that was found, None if none was, `sent_as` which of them. `agrees`: what was judged
    now is that, byte for byte; None if there was nothing to compare with. `differences`: where not.
    """

    topic: str
    partition: int
    offset: int
    published_at_ms: int
    log_begins_at: int
    records_before: int
    rule_set: str
    sent: Alert | Decision | None
    sent_as: str | None
    agrees: bool | None
    differences: tuple[Difference, ...]
    trial: Trial


class Explainer:
    """`rule_sets` gives the rules of a digest, or raises. `stage`, `too_far_ahead_ms`: as the worker has them."""

    def __init__(
        self,
        reader: TopicReader,
        *,
        log: str,
        alerts: str,
        decisions: str,
        rule_sets: RuleSets,
        stage: str,
        too_far_ahead_ms: int,
    ) -> None:
        self._reader, self._log, self._alerts, self._decisions = reader, log, alerts, decisions
        self._rule_sets, self._stage, self._too_far_ahead_ms = rule_sets, stage, too_far_ahead_ms

    async def alert(self, alert_id: str, since_ms: int | None) -> Explained:
        """Raises `RerunError` or `NoTopicError`."""
        sent = await find_alert(self._reader, self._alerts, alert_id, since_ms)
        if sent is None:
            when = "" if since_ms is None else " since then"
            raise RerunError(
                f"'{self._alerts}' has no alert {alert_id}{when}. If retention has deleted it, name its payment: "
                "--event EVENT_ID --account ACCOUNT_ID."
            )
        return await self._explain(sent.place, sent)

    async def event(self, event_id: str, account_id: str, since_ms: int | None) -> Explained:
        """The same for a payment, alerted or not. Raises `RerunError` or `NoTopicError`."""
        decided: Sent | None
        try:
            decided = await find_decision(self._reader, self._decisions, event_id, account_id, since_ms)
        except NoTopicError:
            decided = None
        if decided is not None:
            return await self._explain(decided.place, decided)
        place = await self._place_of(event_id, account_id)
        if place is None:
            raise RerunError(f"'{self._log}' has no payment {event_id} of account {account_id}.")
        return await self._explain(place, None)

    async def _explain(self, place: Place, sent: Sent | None) -> Explained:
        rule_set = self._rule_sets(None if sent is None else sent.answer.rule_set)
        engine = Engine(rule_set, self._stage, self._too_far_ahead_ms)
        rerun = await judge_again(self._reader, self._log, place, engine)
        found = () if sent is None else _differences(sent, rerun)
        return Explained(
            topic=self._log,
            partition=place.partition,
            offset=place.offset,
            published_at_ms=rerun.published_at_ms,
            log_begins_at=rerun.begin,
            records_before=rerun.before,
            rule_set=rule_set.digest,
            sent=None if sent is None else sent.answer,
            sent_as=None if sent is None else "alert" if isinstance(sent.answer, Alert) else "decision",
            agrees=None if sent is None else not found,
            differences=found,
            trial=rerun.trial,
        )

    async def _place_of(self, event_id: str, account_id: str) -> Place | None:
        """Where the payment stands first, by reading the log from its beginning."""
        key, needle = account_id.encode(), _encode(event_id)
        for partition in likely_first(await self._reader.partitions(self._log), account_id):
            span = await self._reader.span(self._log, partition)
            async for records in self._reader.forward(self._log, partition, *span):
                for record in records:
                    if record.key != key or LABEL_HEADER in record.headers:
                        continue
                    value = record.value or b""
                    if needle not in value and b"\\" not in value:  # JSON may write any letter as an escape
                        continue
                    [event] = decode([value])
                    if isinstance(event, Payment) and event.event_id == event_id:
                        return Place(partition, record.offset)
        return None


def _differences(sent: Sent, rerun: Rerun) -> tuple[Difference, ...]:
    """Empty if the bytes are equal to one of what the worker can have sent."""
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
