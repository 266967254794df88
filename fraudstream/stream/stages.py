"""The stages of a worker under a rule set's catalogue, each with its settings and its engine.

A *chain* has one stage for each entity: each reads a log that is keyed by its entity, of any number of partitions.

    payments ──► [account] ──► …-by-device ──► [device] ──► …-by-merchant ──► [merchant] ──► decisions, alerts

A *single* stage keeps the state of all entities and judges as a replay does: without a hop, in the exact order of one
log. It needs a log of one partition, as otherwise the payments of a device or a merchant would be in several states.

    payments ──► [all: account, device, merchant] ──► decisions, alerts

A catalogue of one entity has one stage in either form, with the name of the entity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from fraudstream.stream.failure import PermanentFailure
from fraudstream.stream.settings import ALL_ENTITIES, StreamSettings

if TYPE_CHECKING:
    from fraudstream.engine.engine import Engine


def settle_form(settings: StreamSettings, entities: Sequence[str], partitions: int) -> StreamSettings:
    """The settings with the form of the stages settled: `single` or `chain`.

    `entities`: the stages of a chain, in order. `partitions`: of the payments topic. Raises `PermanentFailure` for a
    single stage of several partitions.
    """
    if len(entities) == 1:
        return replace(settings, stages="chain")
    if settings.stages == "single" and partitions > 1:
        others = " and ".join(filter(None, (", ".join(entities[1:-1]), entities[-1])))
        raise PermanentFailure(
            f"worker.stages is 'single', but '{settings.payments_topic}' has {partitions} partitions: each would have "
            f"a state of its own, and the payments of one {others} would be split among them. Set worker.stages=chain, "
            "or make a payments topic with one partition (topics.partitions=1)."
        )
    if settings.stages == "auto":
        return replace(settings, stages="single" if partitions == 1 else "chain")
    return settings


def stages_of(settings: StreamSettings, engine: Engine) -> Iterator[tuple[StreamSettings, Engine]]:
    """The stages that a worker runs, in order: all that the catalogue has, or that of an engine of one stage.

    The form must be settled. Raises `PermanentFailure` for an engine of one stage in the single form.
    """
    whole = len(engine.stages) == 1
    assert whole or settings.stages != "auto", "the form of the stages is not settled"
    if settings.stages == "single" and not whole:
        if engine.stage is not None:
            raise PermanentFailure(
                f"worker.stage is '{engine.stage}', a stage of a chain, but the stages are single: one worker keeps "
                "all entities. Set worker.stages=chain for all workers and commands, or leave out worker.stage."
            )
        yield replace(settings, stage=ALL_ENTITIES, stage_is_first=True, next_stage=None), engine
        return
    for name in engine.stages if engine.stage is None else (engine.stage,):
        of_stage = engine.of_stage(name)
        yield (
            replace(
                settings,
                stage=name,
                stage_is_first=of_stage.is_first,
                next_stage=of_stage.next_stage,
                labels_topic=settings.labels_topic if of_stage.is_first else None,
            ),
            of_stage,
        )


def changelogs_of_other_form(settings: StreamSettings, entities: Sequence[str]) -> list[str]:
    """The changelogs that workers of the same state version would write in the other form. `settings`: settled."""
    if len(entities) == 1:
        return []
    others = entities if settings.stages == "single" else (ALL_ENTITIES,)
    return [replace(settings, stage=name).changelog_topic for name in others]


def check_form(settings: StreamSettings, records: Mapping[str, int]) -> None:
    """Raises `PermanentFailure` if this state version was built in the other form.

    `settings`: settled. `records`: how many there are in each of `changelogs_of_other_form` that exists.
    """
    built = next((topic for topic, count in records.items() if count), None)
    if built is None:
        return
    other = "chain" if settings.stages == "single" else "single"
    raise PermanentFailure(
        f"State version {settings.state_version} was built with worker.stages={other} (its changelog '{built}' has "
        f"records), and these workers have {settings.stages}: they would decide all payments again. Set "
        f"worker.stages={other}; to change the form, cut over to state version {settings.state_version + 1} "
        "(docs/scaling.md)."
    )
