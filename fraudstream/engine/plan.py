"""A catalogue's features of one entity, as the numbers that the kernel walks over."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import msgspec
import numpy as np

from fraudstream.engine import kernel_types, ring
from fraudstream.engine.arena import Shape, block_sizes
from fraudstream.engine.catalogue import (
    AGGREGATES,
    HORIZON_MIN_MS,
    OF_AMOUNT,
    Catalogue,
    Entity,
    Feature,
    held_by_pane,
    looked_at,
)
from fraudstream.engine.expression import Expression

LABELS = {"genuine": 1, "fraud": 2}

_LAYOUT_VERSION = 1  # raise it when the meaning of stored rows changes


@dataclass(frozen=True, slots=True)
class EntityPlan:
    """`features` stand in the kernel's order, which is that of `plan.spec`. `fields`: payment fields whose half digests
    slots hold; `filters`: what gives each bit of a slot's mask. `layout` names all that rows written under this plan
    depend on."""

    entity: Entity
    features: tuple[Feature, ...]
    fields: tuple[str, ...]
    filters: tuple[Expression, ...]
    plan: kernel_types.KernelPlan
    shape: Shape
    layout: str

    @property
    def uses_place(self) -> bool:
        return any(feature.aggregate in ("distance", "speed") for feature in self.features)


def plan_entity(catalogue: Catalogue, entity: Entity) -> EntityPlan:
    """What the kernel needs for one entity. The first entity of a catalogue is the one that finds duplicates, and where
    it is the only stage, the one that keeps first verdicts."""
    features = sorted(
        (feature for feature in catalogue.features if feature.entity == entity.name),
        key=lambda feature: (feature.delay_ms, feature.window_ms, feature.name),
    )
    fields = sorted({name for feature in features for name in (feature.same, *looked_at(feature)) if name is not None})
    filters = {feature.where.source: feature.where for feature in features if feature.where is not None}
    bits = {source: 1 << place for place, source in enumerate(sorted(filters))}
    partitions = [bits[feature.where.source] if feature.where is not None else 0 for feature in features]

    cells: dict[tuple[int, int], int] = {}
    lasts: dict[int, int] = {}
    evicted_values: dict[tuple[int, int], int] = {}

    def cell(kind: int, filter_bits: int) -> int:
        return cells.setdefault((kind, filter_bits), len(cells))

    spec = np.full((len(features), 11), -1, np.int64)
    for row, feature, filter_bits in zip(spec, features, partitions, strict=True):
        row[kernel_types.AGGREGATE] = AGGREGATES.index(feature.aggregate)
        row[kernel_types.WINDOW], row[kernel_types.DELAY] = feature.window_ms, feature.delay_ms
        row[kernel_types.INCLUDES] = feature.includes
        row[kernel_types.SAME] = fields.index(feature.same) if feature.same is not None else -1
        row[kernel_types.MONEY] = feature.aggregate in OF_AMOUNT
        if feature.aggregate == "share":
            row[kernel_types.OF] = LABELS[feature.of or ""]
        for field in looked_at(feature):
            row[kernel_types.OF] = fields.index(field)
        if feature.aggregate == "since_last":
            row[kernel_types.MEMO] = lasts.setdefault(filter_bits, len(lasts))
        if feature.aggregate == "first_seen":
            row[kernel_types.MEMO] = evicted_values.setdefault(
                (int(row[kernel_types.OF]), filter_bits), len(evicted_values)
            )
        if held_by_pane(entity, feature):
            row[kernel_types.CELL_N] = cell(
                ring.CELL_AMOUNTS if feature.aggregate in OF_AMOUNT else ring.CELL_COUNT, filter_bits
            )
            value = {
                "share": ring.CELL_FRAUD if feature.of == "fraud" else ring.CELL_GENUINE,
                "min": ring.CELL_MIN,
                "max": ring.CELL_MAX,
            }
            if feature.aggregate != "count":
                row[kernel_types.CELL_V] = cell(value.get(feature.aggregate, ring.CELL_SUM), filter_bits)
            if feature.aggregate == "std":
                row[kernel_types.CELL_Q] = cell(ring.CELL_SQUARES, filter_bits)

    horizon_ms = max((f.window_ms + f.delay_ms for f in features if f.exact), default=0)
    shape = Shape(entity.slots, max(entity.panes, 1) if cells else 0, len(cells), len(lasts), len(evicted_values))
    plan = kernel_types.KernelPlan(
        spec=spec,
        filter_bits=np.array(partitions, np.uint32),
        cell_kind=np.array([kind for kind, _ in cells], np.int64),
        cell_filter=np.array([filter_bits for _, filter_bits in cells], np.uint32),
        last_filter=np.array(list(lasts), np.uint32),
        evicted_value_field=np.array([field for field, _ in evicted_values], np.int64),
        evicted_value_filter=np.array([filter_bits for _, filter_bits in evicted_values], np.uint32),
        sizes=block_sizes(entity.slots),
        horizon_ms=max(horizon_ms, HORIZON_MIN_MS),
        pane_ms=entity.pane_ms,
        guards=entity is catalogue.entities[0],
        keeps_verdicts=catalogue.stages == (entity,),
    )
    layout = [
        _LAYOUT_VERSION,
        entity.name,
        entity.key,
        *shape,
        entity.pane_ms,
        fields,
        sorted(filters),
        list(cells),
        list(lasts),
        list(evicted_values),
    ]
    if plan.guards and not plan.keeps_verdicts:
        layout.append("no verdicts")
    digest = blake2b(msgspec.json.encode(layout), digest_size=8).hexdigest()
    return EntityPlan(
        entity,
        tuple(features),
        tuple(fields),
        tuple(filters[source] for source in sorted(filters)),
        plan,
        shape,
        digest,
    )
