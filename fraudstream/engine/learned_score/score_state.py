"""What one partition has learned for one evidence score, and how it is saved: a record for each part, and one more.

Records are complete for their key, so the last one of a key counts. A part's record is written only if it has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.engine.arrays import Int64Array
from fraudstream.engine.learned_score.counts import BLOCK_BITS, DefinitionArrays, ScoreCounts, new_counts
from fraudstream.engine.learned_score.evidence import derive

_TOTALS: Final = b"totals"


class SavedPart(msgspec.Struct, frozen=True, array_like=True):
    """What is saved of a part, as in `ScoreCounts`; `values` without the zeros at its end."""

    values: list[int]
    genuine: list[int]
    fraud: list[int]
    coded: list[int]
    weight: int
    square: int


class SavedTotals(msgspec.Struct, frozen=True, array_like=True):
    """What is saved once, as in `ScoreCounts`. `square`: of the bias."""

    genuine: int
    fraud: int
    bias: int
    square: int


class ScoreState:
    """The counts of one evidence score in one partition.

    `definition`: of the score; `layout`: digest of what the counts depend on beside the log. `counts`: read and written
    by the kernel; `touch` is to be called after it has learned.
    """

    def __init__(self, definition: DefinitionArrays, layout: str = "") -> None:
        self.definition, self.layout = definition, layout
        self.counts = new_counts(len(definition.kind))
        self._derive = Direct(derive)
        self._saved: dict[bytes, bytes] = {}
        self._touched = False
        self._derive(definition, self.counts)

    def begin_with(self, parts: Sequence[SavedPart], totals: SavedTotals) -> None:
        """Set all counts, before the first payment."""
        for part, saved in enumerate(parts):
            restore_part(self.counts, part, saved)
        self._restore_totals(totals)
        self.restored()

    def totals(self) -> SavedTotals:
        """What is saved once."""
        genuine, fraud = self.counts.labels.tolist()
        return SavedTotals(genuine, fraud, self.counts.bias.item(0), self.counts.square.item(-1))

    def touch(self) -> None:
        """The counts may have changed since they were saved."""
        self._touched = True

    def changes(self) -> list[tuple[bytes, bytes]]:
        """The records that have changed since the last call."""
        if not self._touched:
            return []
        self._touched = False
        records = self.records()
        changed = [(key, value) for key, value in records.items() if self._saved.get(key) != value]
        self._saved = records
        return changed

    def records(self) -> dict[bytes, bytes]:
        """All records, by key."""
        counts = self.counts
        records = {b"%d" % part: _encode(saved_part(counts, part)) for part in range(len(counts.weight))}
        return records | {_TOTALS: _encode(self.totals())}

    def restore(self, key: bytes, value: bytes) -> None:
        """Put a saved record back; `restored` is to be called after the last one. Raises `ValueError` for a faulty
        one."""
        if key == _TOTALS:
            self._restore_totals(msgspec.msgpack.decode(value, type=SavedTotals))
        else:
            restore_part(self.counts, int(key), msgspec.msgpack.decode(value, type=SavedPart))
        self._saved[key] = value

    def _restore_totals(self, totals: SavedTotals) -> None:
        self.counts.labels[:] = totals.genuine, totals.fraud
        self.counts.bias[0], self.counts.square[-1] = totals.bias, totals.square

    def restored(self) -> None:
        """Make what is derived from the counts."""
        self._derive(self.definition, self.counts)


def saved_part(counts: ScoreCounts, part: int) -> SavedPart:
    """What is saved of a part."""
    values = counts.values[part]
    return SavedPart(
        np.trim_zeros(values, "b").tolist(),
        counts.labelled[0, part].tolist(),
        counts.labelled[1, part].tolist(),
        counts.coded[part].tolist(),
        counts.weight.item(part),
        counts.square.item(part),
    )


def restore_part(counts: ScoreCounts, part: int, saved: SavedPart) -> None:
    """Set the counts of a part. Raises `ValueError` if the score has no such part, or if its shape differs."""
    if not 0 <= part < len(counts.weight):
        raise ValueError(f"a saved record is of part {part} of the score, which has {len(counts.weight)} parts.")
    counts.values[part] = 0
    counts.values[part, : len(saved.values)] = saved.values
    counts.seen[part] = counts.values[part].sum()
    counts.blocks[part] = _blocks(counts.values[part], counts.blocks.shape[1])
    counts.labelled[0, part], counts.labelled[1, part] = saved.genuine, saved.fraud
    counts.of_part[:, part] = counts.labelled[:, part].sum(axis=1)
    counts.coded[part], counts.of_codes[part] = saved.coded, sum(saved.coded)
    counts.weight[part], counts.square[part] = saved.weight, saved.square


def _blocks(values: Int64Array, blocks: int) -> Int64Array:
    """Sums of 16 value bins each: int64, shape (blocks,)."""
    padded = np.zeros(blocks << BLOCK_BITS, np.int64)
    padded[: len(values)] = values
    sums: Int64Array = padded.reshape(blocks, -1).sum(axis=1)
    return sums


_encode = msgspec.msgpack.Encoder().encode
