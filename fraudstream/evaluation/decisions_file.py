"""Reads what a replay wrote, `decisions.parquet` and `features.parquet`, as the arrays of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fraudstream.evaluation.payments import BoolArray, EvaluatedPayments, EvaluatedRule, Float64Array, Int64Array

DECISIONS, FEATURES, SUMMARY = "decisions.parquet", "features.parquet", "summary.json"
SCORE = "score"
OTHER_SCORE = "score."  # a column `score.NAME` is the score of the scorer NAME
CHAMPION = "champion"
_KEYS = ("event_id", "account_id", "occurred_at")
_LABELS = {"genuine": 0, "fraud": 1}


class DecisionsFileError(ValueError):
    """A file that cannot be evaluated; the message is a whole sentence that names it."""


class ReplayedPayments(NamedTuple):
    """The payments of a replay without its repeats. `rows`: of the file, int64 (n,); `event_id`: Arrow strings (n,).
    `rule_set`: digest, None if the file is empty."""

    payments: EvaluatedPayments
    rows: Int64Array
    event_id: Any
    rule_set: str | None


def is_replay(path: Path) -> bool:
    """Whether a path is the output directory of a replay."""
    return (path / DECISIONS).is_file()


def read_replay(directory: Path) -> ReplayedPayments:
    """The decisions of a replay. Raises `DecisionsFileError`, `OSError`.

    Scores: the one that decides first, then each column `score.NAME` as NAME. The first is called `score`, or
    `champion` where a model decides and the rule set's own score is beside it.
    """
    table = _read(directory / DECISIONS)
    missing = [name for name in ("amount_minor", "currency", "label", SCORE) if name not in table.column_names]
    if missing:
        raise DecisionsFileError(
            f"{directory / DECISIONS} has no column {missing[0]!r}: it was written by an earlier version. Run "
            "`fraudstream replay` again."
        )
    rows = np.flatnonzero(~table.column("repeat").to_numpy())
    table = table.take(pa.array(rows))
    account = _codes(table.column("account_id"))[0]
    currency, currencies = _codes(table.column("currency"))
    typology, typologies = _codes(table.column("typology"))
    label_source, label_sources = _label_sources(table)
    rules, fired = _fired(table, _rules_of_summary(directory / SUMMARY))
    payments = EvaluatedPayments(
        occurred_at_ms=table.column("occurred_at").cast(pa.int64()).to_numpy(),
        account=account,
        label=_labels(table.column("label")),
        amount_minor=table.column("amount_minor").to_numpy(),
        currency=currency,
        currencies=currencies,
        typology=typology,
        typologies=typologies,
        label_source=label_source,
        label_sources=label_sources,
        label_confidence=_label_confidence(table),
        alerted=pc.not_equal(table.column("outcome"), "allow").to_numpy(),
        rules=rules,
        fired=fired,
        scores=_scores(table, directory / DECISIONS),
    )
    rule_sets = pc.unique(table.column("rule_set")).to_pylist()
    return ReplayedPayments(payments, rows, table.column("event_id"), rule_sets[-1] if rule_sets else None)


def read_scores(path: Path, event_id: Any, measured: BoolArray) -> Float64Array:
    """The scores of another scorer for the payments `event_id`, Arrow strings (n,): float64, (n,).

    `path`: a Parquet file with columns `event_id` and `score`. `measured`: which payments need a score, bool (n,);
    another that has none gets NaN. Raises `DecisionsFileError`, `OSError`.
    """
    table = _read(path)
    for name in ("event_id", SCORE):
        if name not in table.column_names:
            raise DecisionsFileError(f"{path} has no column {name!r}: a file of scores has `event_id` and `score`.")
    at = pc.index_in(event_id.cast(pa.string()), value_set=table.column("event_id").cast(pa.string()).combine_chunks())
    missing = np.flatnonzero(pc.is_null(at).to_numpy() & measured)
    if len(missing):
        first = event_id[int(missing[0])].as_py()
        raise DecisionsFileError(f"{path} has no score of {len(missing):,} of the payments, first '{first}'.")
    given = _numbers(table.column(SCORE), f"{path}: column '{SCORE}'")
    scores: Float64Array = pa.array(given).take(at).to_numpy(zero_copy_only=False)
    return scores


def feature_names(directory: Path) -> list[str]:
    """The features that `features.parquet` of a replay has values of, numbers and flags; none without the file.
    Raises `DecisionsFileError`."""
    if not (directory / FEATURES).is_file():
        return []
    try:
        schema = pq.read_schema(directory / FEATURES)
    except (OSError, pa.ArrowException) as error:
        raise DecisionsFileError(f"{directory / FEATURES} can't be read: it is not a Parquet file.") from error
    return [field.name for field in schema if field.name not in _KEYS and not pa.types.is_string(field.type)]


def read_feature(directory: Path, name: str, rows: Int64Array) -> Float64Array:
    """The values of a feature of some rows of `features.parquet`, NaN missing: float64, shape (len(rows),)."""
    column = _read(directory / FEATURES, [name]).column(name)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values: Float64Array = column.cast(pa.float64()).to_numpy()[rows]
    return values


def _read(path: Path, columns: Sequence[str] | None = None) -> Any:
    try:
        return pq.read_table(path, columns=columns)
    except pa.ArrowException as error:
        raise DecisionsFileError(f"{path} can't be read: it is not a Parquet file.") from error


def _codes(column: Any) -> tuple[Int64Array, tuple[str, ...]]:
    """Numbers from 0 of the distinct texts of a column, in their order, -1 for null; and the texts."""
    names = sorted(name for name in pc.unique(column).to_pylist() if name is not None)
    found = pc.index_in(column, value_set=pa.array(names, pa.string()))
    return found.fill_null(-1).to_numpy().astype(np.int64), tuple(names)


def _labels(column: Any) -> np.ndarray[Any, np.dtype[np.int8]]:
    codes, names = _codes(column)
    return np.array([*(_LABELS[name] for name in names), -1], np.int8)[codes]  # -1 is the last


def _label_sources(table: Any) -> tuple[Int64Array, tuple[str, ...]]:
    """As `EvaluatedPayments.label_source` and `label_sources`; none in a file of an earlier version."""
    if "label_source" not in table.column_names:
        return np.full(table.num_rows, -1, np.int64), ()
    return _codes(table.column("label_source"))


def _label_confidence(table: Any) -> Float64Array:
    if "label_confidence" not in table.column_names:
        return np.full(table.num_rows, np.nan)
    confidence: Float64Array = table.column("label_confidence").cast(pa.float64()).to_numpy()
    return confidence


def _scores(table: Any, path: Path) -> dict[str, Float64Array]:
    others = [name for name in table.column_names if name.startswith(OTHER_SCORE)]
    champion = CHAMPION if f"{OTHER_SCORE}{SCORE}" in others else SCORE  # a model decides, and the rule set has a score
    columns = {champion: SCORE} | {name.removeprefix(OTHER_SCORE): name for name in others}
    return {name: _numbers(table.column(column), f"{path}: column '{column}'") for name, column in columns.items()}


def _numbers(column: Any, where: str) -> Float64Array:
    values: Float64Array = column.cast(pa.float64()).to_numpy()
    if np.isnan(values).any():
        raise DecisionsFileError(f"{where} lacks a score in {int(np.isnan(values).sum()):,} rows.")
    return values


def _fired(table: Any, declared: Sequence[EvaluatedRule]) -> tuple[tuple[EvaluatedRule, ...], BoolArray]:
    """The rules, those of the summary first, and which fired on each payment: bool, shape (n, rules)."""
    lists = {status: table.column(name).combine_chunks() for status, name in _LISTS.items()}
    seen = {
        EvaluatedRule(name, status) for status, each in lists.items() for name in pc.unique(each.flatten()).to_pylist()
    }
    rules = (*declared, *sorted(seen - {*declared}))
    number = {rule: index for index, rule in enumerate(rules)}
    fired = np.zeros((table.num_rows, len(rules)), np.bool_)
    for status, each in lists.items():
        codes, names = _codes(each.flatten())
        numbers = np.array([number[EvaluatedRule(name, status)] for name in names], np.int64)
        fired[pc.list_parent_indices(each).to_numpy(), numbers[codes]] = True
    return rules, fired


_LISTS = {"live": "rules", "shadow": "shadow_rules"}


def _rules_of_summary(path: Path) -> list[EvaluatedRule]:
    """All rules of a replay, those that never fired too; none without a summary."""
    try:
        summary: Mapping[str, Any] = json.loads(path.read_bytes())
        return [EvaluatedRule(rule["rule"], status) for status, key in _LISTS.items() for rule in summary[key]]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # the decisions name those that fired
