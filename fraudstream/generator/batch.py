"""Some generated payments with their truth, as columns; `Payment` objects are made when they are asked for."""

from __future__ import annotations

from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from fraudstream.contracts import Payment
from fraudstream.generator.label_process import Reports
from fraudstream.generator.stable_choice import Int64Array


class GeneratedBatch:
    """n payments in order of event time.

    `columns`: values of `Payment` fields by name, object (n,); fields that are missing are None in all of them.
    `occurred_at_ms`: ms since the epoch, int64 (n,). `typologies`: of frauds, None if genuine, object (n,). `labels`:
    the truth, int8 (n,), 1 fraud, 0 genuine, -1 not told. `reports`: what becomes known of them, and when. `live`:
    whether the batch is at or after `start_ms` (else history).
    """

    def __init__(
        self,
        columns: dict[str, Any],
        occurred_at_ms: Int64Array,
        typologies: Any,
        reports: Reports,
        live: bool,
        labels: npt.NDArray[np.int8] | None = None,
    ) -> None:
        self.columns = columns
        self.occurred_at_ms = occurred_at_ms
        self._typologies = typologies
        self.reports = reports
        self.live = live
        if labels is None:
            labels = (typologies != None).astype(np.int8)  # noqa: E711
        self.labels = labels

    def __len__(self) -> int:
        return len(self.occurred_at_ms)

    @property
    def labelled_at_ms(self) -> None:
        """When the truth is told: the generator does not say, `reports` say what becomes known, and when."""

    @cached_property
    def typologies(self) -> list[str | None]:
        """Fraud typology of each payment, None if genuine."""
        names: list[str | None] = self._typologies.tolist()
        return names

    @cached_property
    def payments(self) -> list[Payment]:
        """The payments."""
        values: dict[str, Any] = {name: column.tolist() for name, column in self.columns.items()}
        values |= {"occurred_at": self.occurred_at_ms.tolist(), "schema_version": repeat(1)}
        return list(map(Payment, *(values.get(field, repeat(None)) for field in Payment.__struct_fields__)))

    def with_labels(self, labels: npt.NDArray[np.int8]) -> GeneratedBatch:
        """The same payments, of which that is told: int8 (n,), as `labels`."""
        batch = GeneratedBatch(self.columns, self.occurred_at_ms, self._typologies, self.reports, self.live, labels)
        batch.__dict__["payments"] = self.payments
        return batch

    def first(self, count: int) -> GeneratedBatch:
        """The first `count` payments."""
        return GeneratedBatch(
            {name: column[:count] for name, column in self.columns.items()},
            self.occurred_at_ms[:count],
            self._typologies[:count],
            self.reports.first(count),
            self.live,
            self.labels[:count],
        )
