"""Follows a payment back through the stages before the one that decides, and re-runs each of them up to it.

    payments ──► [account] ──► …-by-device ──► [device] ──► …-by-merchant ──► decided again
        ▲                       │    ▲                       │
        └─────── source ────────┘    └──────── source ───────┘

A forwarded record names its source position in the stage's own log, and depends on that log alone: on the records of
its key up to there. If every stage forwards the same bytes now, the verdict follows from the logs, from the payments
on.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from fraudstream.contracts.headers import FEATURES_HEADER
from fraudstream.engine.apply import ForwardResult, apply_and_forward
from fraudstream.engine.engine import Engine
from fraudstream.engine.forwarded_features import OtherFeatures
from fraudstream.engine.log import without_controls
from fraudstream.explain.feature_difference import SINCE, STATUS, FeatureDifference, feature_differences
from fraudstream.explain.located_record import GoneError, LocatedRecord, Record, locate_record
from fraudstream.explain.sent import position_of
from fraudstream.kafka.topic_reader import NoTopicError, TopicReader


class StageChecked(msgspec.Struct, frozen=True):
    """The result of re-running one stage for the payment.

    `partition`, `offset`: the payment's position in `topic`, the stage's log; None if it could not be traced there.
    `log_begins_at`, `records_before`: as in `Explained`; None if the stage could not be re-run. `agrees`: the stage
    forwards the same bytes now as it did then; None if that cannot be determined. `why`: the reason, if it does not
    agree and `differences` alone do not show it.
    """

    stage: str
    topic: str
    partition: int | None = None
    offset: int | None = None
    log_begins_at: int | None = None
    records_before: int | None = None
    agrees: bool | None = None
    why: str | None = None
    differences: tuple[FeatureDifference, ...] = ()


async def check_stages(
    reader: TopicReader, stages: Sequence[tuple[Engine, str]], judged: Record
) -> tuple[StageChecked, ...]:
    """Re-run every stage before the one that decides, the last first; the results in the order of the stages.

    `stages`: engine and log of each stage that forwards, in order. `judged`: the payment's record in the log of the
    stage that decides. Raises `StalledError`.
    """
    checked: list[StageChecked] = []
    sent: Record | None = judged
    for engine, log in reversed(stages):
        assert engine.stage is not None, "each stage has an engine of its own"
        if sent is None:
            why = f"the payment could not be traced through the log of {checked[-1].stage}"
            checked.append(StageChecked(engine.stage, log, why=why))
        else:
            stage, sent = await _check_stage(reader, engine, engine.stage, log, sent)
            checked.append(stage)
    return tuple(reversed(checked))


async def _check_stage(
    reader: TopicReader, engine: Engine, name: str, log: str, sent: Record
) -> tuple[StageChecked, Record | None]:
    """Re-run the stage that forwarded `sent`. Also the payment's record in the stage's own log, None if the trace ends
    here."""
    position = position_of(sent)
    assert position is not None, "a stage refuses records without a source position"
    stage = StageChecked(name, log, position.partition, position.offset)
    try:
        located = await locate_record(reader, log, position)
        before, now = await _forward_again(reader, located, engine)
    except (GoneError, NoTopicError, OtherFeatures) as error:
        return replace(stage, why=str(error).rstrip(".")), None
    stage = replace(stage, log_begins_at=located.begin, records_before=before, agrees=False)
    if located.record.value != sent.value:
        why = "a different payment is at that offset: it was altered after this stage, or the topic was created again"
        return replace(stage, why=why), None
    if now.forwarded.columns.n == 0:
        reason = now.refused[0].sentence.rstrip(".") if now.refused else "there it is a label, or a repeat"
        return replace(stage, why=f"the stage does not forward it: {reason}"), None
    return _compare(stage, engine, located, sent, now), located.record


def _compare(
    stage: StageChecked, engine: Engine, located: LocatedRecord, sent: Record, now: ForwardResult
) -> StageChecked:
    """`stage` with the differences between the features in `sent` and those that the stage forwards now."""
    [packed], currency = now.forwarded.features.present(), now.forwarded.columns.currency(0)
    types = engine.rule_set.catalogue.symbols
    found = feature_differences(engine.codec_out, dict(sent.headers)[FEATURES_HEADER], packed, types, currency)
    if found and _may_differ(engine, located, found):
        why = (
            f"retention has deleted the log before offset {located.begin:,}, so the earlier history of the "
            f"{stage.stage} is unknown here"
        )
        return replace(stage, agrees=None, why=why, differences=found)
    return replace(stage, agrees=not found, differences=found)


async def _forward_again(reader: TopicReader, located: LocatedRecord, engine: Engine) -> tuple[int, ForwardResult]:
    """How many records of the payment's key precede it in the log, and what the stage forwards for it after those."""
    topic, (partition, offset), begin, _, record = located
    state = engine.new_state()
    if begin > 0:
        state.miss_the_beginning()
    count = 0
    async for records in reader.forward(topic, partition, begin, offset, contiguous=True):
        state.begin(records[0].timestamp)  # the state begins with the partition, not with the key
        same = without_controls([other for other in records if other.key == record.key])
        if same:
            apply_and_forward(engine, state, same)
        count += len(same)
    return count, apply_and_forward(engine, state, [record])


def _may_differ(engine: Engine, located: LocatedRecord, differences: Sequence[FeatureDifference]) -> bool:
    """Whether all differences can come from records that retention has deleted. Features of earlier stages cannot."""
    unknown = {*engine.codec_out.features[len(engine.codec_in.features) :], SINCE}
    if engine.is_first:
        unknown.add(STATUS)
    return located.begin > 0 and all(difference.feature in unknown for difference in differences)
