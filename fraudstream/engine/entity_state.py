"""The rows of one kind of entity in one partition, and the kernel's run over them."""

from __future__ import annotations

from fraudstream.compiled.direct import Direct
from fraudstream.compiled.packed import Packed
from fraudstream.engine import kernel, kernel_types
from fraudstream.engine.arena import Arena
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.key_index import KeyIndex
from fraudstream.engine.label_entries import FoundLabels
from fraudstream.engine.label_index import NO_ARRAYS, NO_FOUND, NO_USE, LabelIndex
from fraudstream.engine.plan import EntityPlan


class EntityState:
    """The rows of one entity kind, such as all accounts. `plan`: what rows hold; `index`: rows by key."""

    def __init__(self, plan: EntityPlan) -> None:
        self.plan = plan
        self.arena = Arena(plan.shape)
        self.index = KeyIndex()
        self.scratch = kernel_types.new_scratch(plan.entity.slots)
        self._update = Direct(kernel.update)

    def rows_of(self, keys: Packed, add: bool = True) -> Int64Array:
        """The row of each key, -1 for the empty key: int64, shape (n,). An unknown key gets a new row; -1 without
        `add`."""
        rows = self.index.rows_of_spans(*keys, add)
        self.arena.make_room_for_rows(self.index.rows)
        return rows

    def update(
        self,
        events: kernel_types.Events,
        answers: kernel_types.Answers,
        labels: LabelIndex | None = None,
        found: FoundLabels = NO_FOUND,
    ) -> None:
        """Run the kernel over a batch: fill in `answers` and add the events to the rows, growing the arena as needed.

        `events`: first axis n. `answers`: for the same n events, every value missing. `labels`, `found`: the label
        index, if there is one, and what its events are there.
        """
        index = NO_ARRAYS if labels is None else labels.arrays
        use = NO_USE if labels is None else labels.use_of(self.plan.entity.name)
        position, why = 0, kernel_types.NEEDS_SLOTS
        while why != kernel_types.DONE:
            arena = self.arena
            position, why = self._update(
                self.plan.plan,
                events,
                arena.rows,
                arena.slots,
                arena.overflows,
                arena.tops,
                self.scratch,
                answers,
                index,
                found,
                use,
                position,
            )
            if why == kernel_types.NEEDS_SLOTS:
                arena.make_room_for_slots()
            elif why == kernel_types.NEEDS_OVERFLOWS:
                arena.make_room_for_overflows()
