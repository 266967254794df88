"""Decides one payment again, after the records that precede it in its partition of the log.

    begin ─────────────────────────────► offset         a partition of the log
      a1   b7   a1   a1   c3   b7   a1   [a1]
      └────────────┴────┴─────────┴──► state ──► trial

The last stage of a chain keeps one entity, by which its log is keyed: records of other keys cannot affect the verdict
and are skipped, except list entries, which apply to all keys. The features of earlier stages come with each record. A
single stage keeps all entities: every record may share one with the payment, so all are applied. State
does not depend on rules, so all records are applied under the rule set that decided the payment, and rule-set switches
are skipped. The result equals the worker's byte for byte, unless retention has deleted the beginning of the log since.

List entries older than the log are taken from the topic of controls, except those that the log holds, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Container, Mapping

import msgspec

from fraudstream.contracts import Payment
from fraudstream.contracts.alert import Alert
from fraudstream.contracts.control import ListEntry, list_entry_key
from fraudstream.contracts.headers import CONTROL_HEADER
from fraudstream.contracts.record_signature import SigningSecrets
from fraudstream.controls.reader import read_entries
from fraudstream.controls.topic import ControlsTopic
from fraudstream.engine.apply import apply
from fraudstream.engine.decode import decode
from fraudstream.engine.engine import Engine
from fraudstream.engine.expression import ValueList
from fraudstream.engine.log import list_entry, read_log
from fraudstream.engine.networks import networks_around, parse_address
from fraudstream.engine.partition_state import PartitionState
from fraudstream.engine.trial import Trial, alert_seen_whole, trial_of
from fraudstream.engine.verdict import Verdicts
from fraudstream.explain.located_record import GoneError, LocatedRecord, Record, locate_record
from fraudstream.explain.sent import LogPosition
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader


class RerunError(Exception):
    """The payment cannot be decided again; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Rerun(msgspec.Struct, frozen=True):
    """The result of a re-run.

    `record`: the payment's. `begin`: the first offset that the log still has. `before`: number of records applied
    before the payment. `lists_unknown`: lists that may have held a value of the payment: their entry has changed since,
    and the older one is deleted. `trial`: the verdict and its explanation. `alert_seen_whole`: the alert of a state
    that had seen the log before retention deleted its beginning; None if `trial` has none.
    """

    record: Record
    begin: int
    before: int
    lists_unknown: tuple[str, ...]
    trial: Trial
    alert_seen_whole: Alert | None


async def rerun_payment(
    reader: TopicReader, topic: str, position: LogPosition, engine: Engine, controls: ControlsTopic
) -> Rerun:
    """Decide the payment at `position` of `topic` again. `controls`: the topic of controls.

    Raises `RerunError` if the payment was deleted or never decided, `NoTopicError`, `StalledError`.
    """
    try:
        located = await locate_record(reader, topic, position)
    except GoneError as gone:
        raise RerunError(
            f"{gone}, so it cannot be decided again. Its alert on the alerts topic still shows the reasons."
        ) from gone
    state = engine.new_state()
    if located.begin > 0:
        state.miss_the_beginning()
    listed = _lists_by_entry_key(engine, located.record)
    before = await _apply_records_before(reader, located, engine, state, listed)
    lists_unknown: tuple[str, ...] = ()
    if located.begin > 0 or not engine.is_first:
        lists_unknown = await _apply_older_entries(reader, located, controls, state, listed, engine.signatures.controls)
    verdicts = _verdict_on(engine, state, located.record)
    return Rerun(
        record=located.record,
        begin=located.begin,
        before=before,
        lists_unknown=lists_unknown,
        trial=trial_of(verdicts),
        alert_seen_whole=alert_seen_whole(verdicts),
    )


async def _apply_records_before(
    reader: TopicReader, located: LocatedRecord, engine: Engine, state: PartitionState, listed: dict[bytes, str]
) -> int:
    """Apply what precedes the payment to `state`; how many records. Keys that the log has an entry for leave
    `listed`."""
    topic, (partition, offset), begin, _, record = located
    engines, count = {engine.rule_set.digest: engine}, 0
    any_key, secrets = engine.any_key_counts, engine.signatures.controls
    async for records in reader.forward(topic, partition, begin, offset, contiguous=True):
        state.begin(records[0].timestamp)  # the state begins with the partition, not with the account
        applied = [other for other in records if bears_on(record.key, other, any_key=any_key, secrets=secrets)]
        if applied:
            read_log(engines, state, applied)
        count += len(applied)
        for entry in (list_entry(other, secrets) for other in applied):
            if entry is not None:
                listed.pop(entry.key, None)
    return count


async def _apply_older_entries(
    reader: TopicReader,
    located: LocatedRecord,
    controls: ControlsTopic,
    state: PartitionState,
    listed: Mapping[bytes, str],
    secrets: SigningSecrets | None,
) -> tuple[str, ...]:
    """Put entries that are older than the log on the lists of `state`; the lists of which the entry is not known."""
    topic, (partition, offset), _, end, _ = located
    after = reader.forward(topic, partition, offset + 1, end, contiguous=True)
    unknown: list[str] = []
    for key, entry in (await _entries_before_log(controls, listed, after, secrets)).items():
        if entry is None:
            unknown.append(listed[key])
        elif not entry.removed:
            state.lists.put(entry.list, entry.value, entry.expires_at_ms)
    return tuple(unknown)


def _verdict_on(engine: Engine, state: PartitionState, record: Record) -> Verdicts:
    """The verdict on the payment in `record`. Raises `RerunError` if that is not a payment with a first verdict."""
    result = apply(engine, state, [record])
    if result.refused:
        raise RerunError(f"the record at offset {record.offset} was never decided: {result.refused[0].sentence}")
    if result.verdicts.n == 0:
        raise RerunError(f"the record at offset {record.offset} is a label, not a payment.")
    if result.verdicts.repeat[0]:
        raise RerunError(f"the record at offset {record.offset} is a repeat: it got the verdict of the first one.")
    return result.verdicts


def bears_on(
    key: bytes | None, record: Record, *, any_key: bool = False, secrets: SigningSecrets | None = None
) -> bool:
    """Whether a record can affect verdicts on later payments of that key under the same rule set.

    `any_key`: the state has entities beside that of the key, so records of any key can. `secrets`: those that controls
    must be signed with.
    """
    if CONTROL_HEADER in record.headers:
        return list_entry(record, secrets) is not None
    return any_key or record.key == key


def _lists_by_entry_key(engine: Engine, record: Record) -> dict[bytes, str]:
    """The lists that may hold a value of the payment, by the key of the entry."""
    [payment] = decode([record.value])
    if not isinstance(payment, Payment):
        return {}
    return {
        list_entry_key(name, entry): name
        for name, declared in engine.rule_set.lists.items()
        for entry in _entries_for(declared, payment)
    }


def _entries_for(declared: ValueList, payment: Payment) -> list[str]:
    """The values of entries that put the payment on a list."""
    value: str | None = getattr(payment, declared.field)
    if value is None or not declared.holds_networks:
        return [] if value is None else [value]
    address = parse_address(value)
    return [] if address is None else networks_around(address)


async def _entries_before_log(
    controls: ControlsTopic,
    keys: Container[bytes],
    after: AsyncIterator[list[Record]],
    secrets: SigningSecrets | None,
) -> dict[bytes, ListEntry | None]:
    """The entries in force before the log begins, by key: the newest on `controls` that is not one of `after`, the
    records that follow the payment. None if a later entry has replaced it."""
    try:
        stored = await read_entries(controls, keys)
    except NoTopicError:
        stored = []
    if not stored:
        return {}  # `after` may be long: read it only if needed
    later = {list_entry(record, secrets) async for records in after for record in records}
    return {
        **{entry.key: None for entry in stored},
        **{entry.key: entry for entry in stored if entry not in later},
    }
