"""Compiles a catalogue's features of one entity to the numbers that the kernel reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec
import numpy as np

from fraudstream.engine import kernel_types, ring
from fraudstream.engine.aggregates.registry import REGISTRY
from fraudstream.engine.arena import COUNTED, FLOOR_EVENTS_MAX, Shape, block_sizes
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.catalogue import HORIZON_MIN_MS, Catalogue, Entity, Feature, fields_of, held_by_pane
from fraudstream.engine.expression import Expression
from fraudstream.engine.recent_labels import RECENT_LABELS_MAX

LABELS = {"genuine": ring.GENUINE, "fraud": ring.FRAUD}

# `of` as `KernelPlan.spec` has it, where it is no field.
_OPERANDS = {
    **LABELS,
    "log_amount": kernel_types.LOG_AMOUNT,
    "hour": kernel_types.HOUR,
    "weekday": kernel_types.WEEKDAY,
    "time_of_day": kernel_types.TIME_OF_DAY,
}

_LAYOUT_VERSION = 3  # raise it when the meaning of stored rows changes


@dataclass(frozen=True, slots=True)
class EntityPlan:
    """`features`: in the order of the rows of `plan.spec`. `fields`: the payment fields whose 32-bit codes slots hold,
    by column of `code`. `filters`: the `where` of each bit of a slot's mask. `layout`: digest of everything that
    rows written under this plan depend on, 16 hex digits."""

    entity: Entity
    features: tuple[Feature, ...]
    fields: tuple[str, ...]
    filters: tuple[Expression, ...]
    plan: kernel_types.KernelPlan
    shape: Shape
    layout: str

    @property
    def uses_location(self) -> bool:
        """Whether slots must hold latitude and longitude."""
        return any(REGISTRY[feature.aggregate].reads_location for feature in self.features)


class _OverflowColumns:
    """What an entity's overflows hold, numbered in the order in which features first need it; equal needs share."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], int] = {}  # (cell kind, filter): column
        self.last_times: dict[int, int] = {}  # filter: column
        self.evicted_values: dict[tuple[int, int], int] = {}  # (column of `code`, filter): column

    def cell(self, kind: int, filter_bits: int) -> int:
        """The cell of this kind and filter."""
        return self.cells.setdefault((kind, filter_bits), len(self.cells))

    def last_time(self, filter_bits: int) -> int:
        """The column of `last_ms` for this filter."""
        return self.last_times.setdefault(filter_bits, len(self.last_times))

    def evicted_value(self, field: int, filter_bits: int) -> int:
        """The column of `evicted_value` for this column of `code` and this filter."""
        return self.evicted_values.setdefault((field, filter_bits), len(self.evicted_values))


def plan_entity(catalogue: Catalogue, entity: Entity) -> EntityPlan:
    """The kernel's plan for one entity.

    The first entity of a catalogue detects repeats; where it is the only stage, its slots keep first verdicts.
    Invariant: features of equal delay and window are adjacent, so the kernel looks each window up once.
    """
    features = sorted(
        (feature for feature in catalogue.features if feature.entity == entity.name),
        key=lambda feature: (feature.delay_ms, feature.window_ms, feature.name),
    )
    fields = sorted({name for feature in features for name in fields_of(feature)})
    wheres = {feature.where.source: feature.where for feature in features if feature.where is not None}
    filters = {source: wheres[source] for source in sorted(wheres)}
    bits = {source: int(COUNTED) | 1 << bit for bit, source in enumerate(filters)}
    filter_bits = [bits[feature.where.source] if feature.where is not None else int(COUNTED) for feature in features]
    columns = _OverflowColumns()
    spec = np.full((len(features), kernel_types.SPEC_COLUMNS), -1, np.int64)
    for row, feature, bit in zip(spec, features, filter_bits, strict=True):
        _fill_spec(row, feature, fields)
        _assign_columns(row, feature, bit, columns, held_by_pane(entity, feature))
    plan = _kernel_plan(catalogue, entity, features, spec, filter_bits, columns)
    shape = Shape(
        slots_max=entity.slots,
        panes=max(entity.panes, 1) if columns.cells else 0,
        cells=len(columns.cells),
        last_times=len(columns.last_times),
        evicted_values=len(columns.evicted_values),
        floor_events=FLOOR_EVENTS_MAX if plan.guards else 0,
        recent_labels=RECENT_LABELS_MAX if any(REGISTRY[f.aggregate].keeps_recent_labels for f in features) else 0,
    )
    layout = _layout(entity, shape, fields, filters, columns, plan)
    return EntityPlan(entity, tuple(features), tuple(fields), tuple(filters.values()), plan, shape, layout)


def _fill_spec(row: Int64Array, feature: Feature, fields: Sequence[str]) -> None:
    """Write the feature's declaration into its row of `KernelPlan.spec`; -1 stays for what it does not declare."""
    aggregate = REGISTRY[feature.aggregate]
    row[kernel_types.AGGREGATE] = aggregate.id
    row[kernel_types.WINDOW], row[kernel_types.DELAY] = feature.window_ms, feature.delay_ms
    row[kernel_types.INCLUDES] = feature.includes
    row[kernel_types.MONEY] = aggregate.is_of_amounts
    if feature.same is not None:
        row[kernel_types.SAME] = fields.index(feature.same)
    if (field := aggregate.operand.field(feature.of)) is not None:
        row[kernel_types.OF] = fields.index(field)
    elif feature.of in _OPERANDS:
        row[kernel_types.OF] = _OPERANDS[feature.of]
    if feature.prior is not None and feature.strength is not None:
        row[kernel_types.PRIOR] = round(feature.prior * kernel_types.PRIOR_UNIT)
        row[kernel_types.STRENGTH] = feature.strength
    if feature.last is not None:
        row[kernel_types.LAST] = feature.last


def _assign_columns(
    row: Int64Array, feature: Feature, filter_bits: int, columns: _OverflowColumns, paned: bool
) -> None:
    """Write into the row of `KernelPlan.spec` where the overflow holds what the feature needs."""
    aggregate = REGISTRY[feature.aggregate]
    if aggregate.keeps_last_time:
        row[kernel_types.OVERFLOW_COLUMN] = columns.last_time(filter_bits)
    if aggregate.keeps_evicted_values:
        row[kernel_types.OVERFLOW_COLUMN] = columns.evicted_value(int(row[kernel_types.OF]), filter_bits)
    cells = aggregate.panes
    if cells is None or not paned:
        return
    row[kernel_types.CELL_N] = columns.cell(cells.count, filter_bits)
    for column, kinds in ((kernel_types.CELL_V, cells.values), (kernel_types.CELL_Q, cells.squares)):
        if kinds:
            row[column] = columns.cell(kinds[aggregate.operand.choices.index(feature.of or "")], filter_bits)


def _kernel_plan(
    catalogue: Catalogue,
    entity: Entity,
    features: Sequence[Feature],
    spec: Int64Array,
    filter_bits: Sequence[int],
    columns: _OverflowColumns,
) -> kernel_types.KernelPlan:
    """The arrays of the plan. The horizon is the longest exact window, but at least `HORIZON_MIN_MS`."""
    horizon_ms = max((f.window_ms + f.delay_ms for f in features if f.exact), default=0)
    return kernel_types.KernelPlan(
        spec=spec,
        filter_bits=np.array(filter_bits, np.uint32),
        filtered=any(bits != int(COUNTED) for bits in filter_bits),
        cell_kind=np.array([kind for kind, _ in columns.cells], np.int64),
        cell_filter=np.array([filter_ for _, filter_ in columns.cells], np.uint32),
        last_time_filter=np.array(list(columns.last_times), np.uint32),
        evicted_field=np.array([field for field, _ in columns.evicted_values], np.int64),
        evicted_filter=np.array([filter_ for _, filter_ in columns.evicted_values], np.uint32),
        sizes=block_sizes(entity.slots),
        horizon_ms=max(horizon_ms, HORIZON_MIN_MS),
        pane_ms=entity.pane_ms,
        guards=entity is catalogue.entities[0],
        keeps_verdicts=catalogue.stages == (entity,),
    )


def _layout(
    entity: Entity,
    shape: Shape,
    fields: Sequence[str],
    filters: Mapping[str, Expression],
    columns: _OverflowColumns,
    plan: kernel_types.KernelPlan,
) -> str:
    """Digest of the entity's row layout. Windows are not part of it: they only say which stored payments count."""
    content = [
        _LAYOUT_VERSION,
        entity.name,
        entity.key[0] if len(entity.key) == 1 else entity.key,
        *shape,
        entity.pane_ms,
        fields,
        list(filters),
        list(columns.cells),
        list(columns.last_times),
        list(columns.evicted_values),
    ]
    if plan.guards and not plan.keeps_verdicts:
        content.append("no verdicts")
    return blake2b(msgspec.json.encode(content), digest_size=8).hexdigest()
