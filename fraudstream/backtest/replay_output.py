"""The output files of a replay, written incrementally in bounded memory: decisions, alerts, optionally features.

`alerts.jsonl` has one alert per line, byte for byte as the stream publishes it. Files are written under a temporary
name and renamed when complete, so an interrupted replay leaves no partial file under the final name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from fraudstream.backtest.told import NOTHING_TOLD, UNTOLD, Name, Told
from fraudstream.contracts import Decision
from fraudstream.engine.aggregates.code_tables import text_of_code
from fraudstream.engine.alert_writer import alert_values
from fraudstream.engine.arrays import Float64Array, Int32Array, Int64Array
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.expression import Type
from fraudstream.engine.scorer import POINTS_MAX
from fraudstream.engine.verdict import Verdicts
from fraudstream.evaluation.decisions_schema import DECISIONS, decisions_schema

ROWS_PER_GROUP = 131_072
ROWS_BUFFERED = 16_384

_LABELS = np.array(["genuine", "fraud", None], object)  # -1 is the last


class _Pending:
    """Verdicts that are not yet written."""

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.amounts_minor: list[Int64Array] = []
        self.currencies: list[str] = []
        self.shadow_points: list[Mapping[str, Int32Array]] = []
        self.labels: list[npt.NDArray[np.int8]] = []
        self.features: list[dict[str, Float64Array]] = []


class ReplayOutput:
    """Context manager that writes the files; they appear when it exits without an error.

    `features`: type of each feature by name. `features_path`: features file, or None. `digest_key`: the engine's.
    `typologies`: kinds of frauds by event_id, those of a batch at the latest when it is written. `shadow_scores`: names
    of those that decide nothing; each has a column `score.NAME`. `label_sources`: by account and event id.
    """

    def __init__(
        self,
        directory: Path,
        features: dict[str, Type],
        features_path: Path | None,
        digest_key: DigestKey,
        typologies: Mapping[str, str],
        shadow_scores: Sequence[str],
        label_sources: Mapping[Name, Told] = NOTHING_TOLD,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        if features_path is not None:
            features_path.parent.mkdir(parents=True, exist_ok=True)
        self._alerts_path = directory / "alerts.jsonl"
        self._decisions = _Parquet(directory / "decisions.parquet", decisions_schema(shadow_scores))
        self._features = None if features_path is None else _Parquet(features_path, features_schema(features))
        self._feature_types, self._digest_key, self._typologies = features, digest_key, typologies
        self._shadow_scores, self._label_sources = shadow_scores, label_sources
        self._pending = _Pending()
        self._alerts: BinaryIO = _draft(self._alerts_path).open("wb")

    def __enter__(self) -> ReplayOutput:
        return self

    def write(self, verdicts: Verdicts, labels: npt.NDArray[np.int8]) -> int:
        """Append the verdicts and labels of a batch; returns its number of alerts."""
        pending = self._pending
        pending.decisions += verdicts.decisions()
        pending.labels.append(labels)
        pending.shadow_points.append(verdicts.shadow_points)
        pending.amounts_minor.append(verdicts.columns.published_amount_minor)
        pending.currencies += [payment.currency for payment in verdicts.payments]
        if self._features is not None:
            pending.features.append(verdicts.features)
        if len(pending.decisions) >= ROWS_BUFFERED:
            self._flush()
        alerts = alert_values(verdicts)
        self._alerts.writelines(alert + b"\n" for alert in alerts)
        return len(alerts)

    def _flush(self) -> None:
        """Convert pending rows to columns, many at once: a batch may be as small as one payment."""
        pending, self._pending = self._pending, _Pending()
        if not pending.decisions:
            return
        keys = _key_columns(pending.decisions)
        money = [pa.array(np.concatenate(pending.amounts_minor)), pa.array(pending.currencies, pa.string())]
        labels = np.concatenate(pending.labels)
        shadow = [
            pa.array(np.concatenate([points[name] for points in pending.shadow_points]) / POINTS_MAX)
            for name in self._shadow_scores
        ]
        decided = _decision_columns(pending.decisions, labels, self._typologies, self._label_sources)
        self._decisions.append([*keys, *money, *decided, *shadow])
        if self._features is not None:
            columns = []
            for name, type_ in self._feature_types.items():
                parts = [features[name] for features in pending.features]
                columns.append(_feature_column(np.concatenate(parts), type_, self._digest_key))
            self._features.append([*keys, *columns])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        complete = kind is None
        if complete:
            self._flush()
        self._alerts.close()
        _settle(self._alerts_path, complete)
        for parquet in (self._decisions, self._features):
            if parquet is not None:
                parquet.close(complete)


def _feature_column(values: Float64Array, type_: Type, digest_key: DigestKey) -> Any:
    """A feature's answers as an Arrow column; missing ones, NaN, are null."""
    if type_ is Type.TEXT:
        return pa.array([text_of_code(value, digest_key) for value in values.tolist()], pa.string())
    column = pa.array(values, from_pandas=True)
    return column.cast(pa.bool_()) if type_ is Type.BOOL else column


def features_schema(features: dict[str, Type]) -> Any:
    """Arrow schema of the features file.

    The metadata key `unit` is `minor_units` (of the payment's currency) for amounts and `ms` for durations.
    """
    units = {Type.MONEY: "minor_units", Type.DURATION: "ms"}
    fields = [DECISIONS.field(name) for name in ("event_id", "account_id", "occurred_at")]
    for name, type_ in features.items():
        metadata = {"unit": units[type_]} if type_ in units else None
        column_type = {Type.BOOL: pa.bool_(), Type.TEXT: pa.string()}.get(type_, pa.float64())
        fields.append(pa.field(name, column_type, metadata=metadata))
    return pa.schema(fields)


def _key_columns(decisions: Sequence[Decision]) -> list[Any]:
    return [
        pa.array([decision.event_id for decision in decisions], pa.string()),
        pa.array([decision.account_id for decision in decisions], pa.string()),
        pa.array([decision.occurred_at_ms for decision in decisions], pa.int64()).cast(pa.timestamp("ms", "UTC")),
    ]


def _decision_columns(
    decisions: Sequence[Decision],
    labels: npt.NDArray[np.int8],
    typologies: Mapping[str, str],
    label_sources: Mapping[Name, Told],
) -> list[Any]:
    def column(name: str) -> Any:
        values = [getattr(decision, name) for decision in decisions]
        return pa.array(values, DECISIONS.field(name).type)

    names = ("outcome", "score", "rules", "shadow_rules", "alert_id", "repeat", "late", "altered", "unmatched")
    label = pa.array(_LABELS[labels].tolist(), pa.string())
    sources, confidence = _label_sources(decisions, label_sources)
    kinds: list[str | None] = [None] * len(decisions)
    for row in np.flatnonzero(labels == 1).tolist() if typologies else ():
        kinds[row] = typologies.get(decisions[row].event_id)
    return [*map(column, names), label, sources, confidence, pa.array(kinds, pa.string()), column("rule_set")]


def _label_sources(decisions: Sequence[Decision], label_sources: Mapping[Name, Told]) -> tuple[Any, Any]:
    """Source and confidence of the label of each payment."""
    if not label_sources:
        return pa.nulls(len(decisions), pa.string()), pa.nulls(len(decisions), pa.float64())
    told = [label_sources.get((decision.account_id, decision.event_id), UNTOLD) for decision in decisions]
    return (
        pa.array([each.source for each in told], pa.string()),
        pa.array([each.confidence for each in told], pa.float64()),
    )


class _Parquet:
    """Buffers batches into row groups of fixed size, so that the file does not depend on the batch size."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._path = path
        self._schema = schema
        self._writer = pa.parquet.ParquetWriter(_draft(path), schema, compression="zstd")
        self._buffer: list[Any] = []
        self._rows = 0

    def append(self, columns: list[Any]) -> None:
        batch = pa.record_batch(columns, schema=self._schema)
        self._buffer.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROWS_PER_GROUP:
            self._write(self._rows - self._rows % ROWS_PER_GROUP)

    def _write(self, rows: int) -> None:
        table = pa.Table.from_batches(self._buffer, self._schema)
        self._writer.write_table(table.slice(0, rows).combine_chunks(), row_group_size=ROWS_PER_GROUP)
        rest = table.slice(rows)
        self._buffer, self._rows = (rest.to_batches() if rest.num_rows else []), rest.num_rows

    def close(self, complete: bool) -> None:
        if complete and self._rows:
            self._write(self._rows)
        self._writer.close()
        _settle(self._path, complete)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _settle(path: Path, complete: bool) -> None:
    if complete:
        _draft(path).replace(path)
    else:
        _draft(path).unlink(missing_ok=True)
