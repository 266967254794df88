"""Walks a payment back through the stages before the one that judges, and runs each of them again up to it.

    payments ──► [account] ──► …-by-device ──► [device] ──► …-by-merchant ──► judged again
        ▲                       │    ▲                       │
        └─────── source ────────┘    └──────── source ───────┘

What a stage handed on names its place in that stage's log, and is a function of that log: of the records of its key up
to there. So if every stage hands on the same now, the verdict stands on what the logs say, from the payments on.
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
from fraudstream.explain.topic_reader import NoTopicError, TopicReader


class StageChecked(msgspec.Struct, frozen=True):
    """`partition`, `offset`: where the payment stands in `topic`, the stage's log; None if the way there is lost.
    `log_begins_at`, `records_before`: as `Explained`'s; None if the stage could not be run again.

    `agrees`: what the stage hands on now is what it handed on then; None if that can't be known. `why` not, in a few
    words, where `differences` alone don't say it.
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
    """`stages`: engine and log of each that hands on, in order. `judged`: the payment, as the last one handed it on."""
    checked: list[StageChecked] = []
    forwarded: Record | None = judged
    for engine, log in reversed(stages):
        assert engine.stage is not None, "each stage has an engine of its own"
        if forwarded is None:
            why = f"the way there leads through the log of {checked[-1].stage}"
            checked.append(StageChecked(engine.stage, log, why=why))
        else:
            stage, forwarded = await _checked(reader, engine, engine.stage, log, forwarded)
            checked.append(stage)
    return tuple(reversed(checked))


async def _checked(
    reader: TopicReader, engine: Engine, name: str, log: str, forwarded: Record
) -> tuple[StageChecked, Record | None]:
    """Also the payment in the stage's log: as the stage before handed it on; None where the way back ends."""
    position = position_of(forwarded)
    assert position is not None, "no stage takes a record without its source"
    stage = StageChecked(name, log, position.partition, position.offset)
    try:
        located = await locate_record(reader, log, position)
        before, now = await _forward_again(reader, located, engine)
    except (GoneError, NoTopicError, OtherFeatures) as error:
        return replace(stage, why=str(error).rstrip(".")), None
    stage = replace(stage, log_begins_at=located.begin, records_before=before, agrees=False)
    if located.record.value != forwarded.value:
        why = "another payment stands there: it is not what this stage handed on, or the topic was created again since"
        return replace(stage, why=why), None
    if now.forwarded.columns.n == 0:
        refused = now.refused[0].sentence.rstrip(".") if now.refused else "it is a label there, or was sent before"
        return replace(stage, why=f"the stage hands nothing on of it: {refused}"), None
    [packed], [payment] = now.forwarded.features, now.forwarded.columns.payments
    types = engine.rule_set.catalogue.symbols
    found = feature_differences(
        engine.codec_out, dict(forwarded.headers)[FEATURES_HEADER], packed, types, payment.currency
    )
    if found and _may_differ(engine, located, found):
        why = (
            f"retention has deleted the log before offset {located.begin:,}, and what the {name} did until then is "
            "not known here"
        )
        return replace(stage, agrees=None, why=why, differences=found), located.record
    return replace(stage, agrees=not found, differences=found), located.record


async def _forward_again(reader: TopicReader, located: LocatedRecord, engine: Engine) -> tuple[int, ForwardResult]:
    """How many records of the payment's key stand before it, and what the stage makes of it in their light."""
    topic, (partition, offset), begin, _, record = located
    state = engine.new_state()
    if begin > 0:
        state.miss_the_beginning()
    count = 0
    async for records in reader.forward(topic, partition, begin, offset):
        state.begin(records[0].timestamp)  # that of the partition, not of the key
        same = without_controls([other for other in records if other.key == record.key])
        if same:
            apply_and_forward(engine, state, same)
        count += len(same)
    return count, apply_and_forward(engine, state, [record])


def _may_differ(engine: Engine, located: LocatedRecord, differences: Sequence[FeatureDifference]) -> bool:
    """Whether all of it may come from the beginning that the log has lost: what earlier stages found out does not."""
    unknown = {*engine.codec_out.features[len(engine.codec_in.features) :], SINCE}
    if engine.is_first:
        unknown.add(STATUS)
    return located.begin > 0 and all(difference.feature in unknown for difference in differences)
