"""Judges one payment again, in the light of what stands before it in its partition of the log.

    begin ─────────────────────────────► place          a partition of the log
      a1   b7   a1   a1   c3   b7   a1   [a1]
      └────────────┴────┴─────────┴──► memory ──► trial

The stage that decides keeps one entity, by which its log is keyed: records of another key can't change anything and
are passed over, but list entries count for all. What the stages before it found out comes with each record. Rules have
no part in what is remembered, so all of it is applied under the rule set that judged the payment, and switches are
passed over. Bytes of a re-run are those of the worker, unless the log has lost its beginning since.

List entries of before the log are those of the topic of controls that do not stand in the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Container

import msgspec

from fraudstream.contracts import Payment
from fraudstream.contracts.alert import Alert
from fraudstream.contracts.control import ListEntry, list_entry_key
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.controls.reader import read_entries
from fraudstream.controls.topic import ControlsTopic, NoTopicError
from fraudstream.engine.apply import apply
from fraudstream.engine.decode import decode
from fraudstream.engine.engine import Engine
from fraudstream.engine.log import list_entry, read_log
from fraudstream.engine.trial import Trial, alert_seen_whole, trial_of
from fraudstream.explain.located_record import GoneError, Record, locate_record
from fraudstream.explain.sent import LogPosition
from fraudstream.explain.topic_reader import TopicReader


class RerunError(Exception):
    """The payment can't be judged again; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Rerun(msgspec.Struct, frozen=True):
    """`record`: the payment's. `begin`: the first offset that the log still has. `before`: records applied before the
    payment. `lists_unknown`: those that may have had the payment's value: it was put there or taken away since, and
    what stood before is gone. `alert_seen_whole`: the alert of a memory that had seen the log before it lost its
    beginning; else `trial`'s."""

    record: Record
    begin: int
    before: int
    lists_unknown: tuple[str, ...]
    trial: Trial
    alert_seen_whole: Alert | None


async def judge_again(
    reader: TopicReader, topic: str, position: LogPosition, engine: Engine, controls: ControlsTopic
) -> Rerun:
    """`controls`: the topic of controls. Raises `RerunError` where the payment is gone or was never judged."""
    try:
        _, _, begin, end, record = await locate_record(reader, topic, position)
    except GoneError as gone:
        raise RerunError(
            f"{gone}, so it can't be judged again. Its alert on the alerts topic still says why."
        ) from gone
    state = engine.new_state()
    if begin > 0:
        state.miss_the_beginning()
    engines, before, listed = {engine.rule_set.digest: engine}, 0, _listed(engine, record)
    async for records in reader.forward(topic, position.partition, begin, position.offset):
        state.begin(records[0].timestamp)  # that of the partition, not of the account
        applied = [other for other in records if bears_on(record.key, other)]
        if applied:
            read_log(engines, state, applied)
        before += len(applied)
        for entry in filter(None, map(list_entry, applied)):
            listed.pop(entry.key, None)
    lists_unknown: list[str] = []
    if begin > 0 or not engine.is_first:
        behind = reader.forward(topic, position.partition, position.offset + 1, end)
        for key, older in (await _entries_of_before(controls, listed, behind)).items():
            if older is None:
                lists_unknown.append(listed[key])
            elif not older.removed:
                state.lists.put(older.list, older.value, older.expires_at_ms)
    result = apply(engine, state, [record])
    if result.refused:
        raise RerunError(f"the record at {position.offset} was never judged: {result.refused[0].sentence}")
    if result.verdicts.n == 0:
        raise RerunError(f"the record at {position.offset} is no payment but a label.")
    if result.verdicts.repeat[0]:
        raise RerunError(f"the record at {position.offset} is a repeat: it got the verdict of its first time.")
    return Rerun(
        record=record,
        begin=begin,
        before=before,
        lists_unknown=tuple(lists_unknown),
        trial=trial_of(result.verdicts),
        alert_seen_whole=alert_seen_whole(result.verdicts),
    )


def bears_on(key: bytes | None, record: Record) -> bool:
    """Whether a record can bear on the verdicts of later payments of that key under the same rules."""
    return list_entry(record) is not None if CONTROL_HEADER in record.headers else record.key == key


def _listed(engine: Engine, record: Record) -> dict[bytes, str]:
    """The lists that may have a value of the payment, by the key of its entry."""
    [payment] = decode([record.value])
    if not isinstance(payment, Payment):
        return {}
    values = ((name, getattr(payment, declared.of)) for name, declared in engine.rule_set.lists.items())
    return {list_entry_key(name, value): name for name, value in values if value is not None}


async def _entries_of_before(
    controls: ControlsTopic, keys: Container[bytes], behind: AsyncIterator[list[Record]]
) -> dict[bytes, ListEntry | None]:
    """The entries in force before the log that is left, by key: the newest that stands on `controls` and not `behind`
    the payment, None if later ones have taken its place."""
    try:
        stored = await read_entries(controls, keys)
    except NoTopicError:
        stored = []
    if not stored:
        return {}  # so `behind`, which may be long, is not read
    later = {entry async for records in behind for entry in map(list_entry, records)}
    return {
        **{entry.key: None for entry in stored},
        **{entry.key: entry for entry in stored if entry not in later},
    }
