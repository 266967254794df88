"""A rule set with models: small trees over its features, as artefacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fraudstream.contracts.artefact import artefact_digest
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.engine.trees.calibration import logistic_table
from fraudstream.engine.trees.ensemble import LEAF, Trees, fixed
from fraudstream.engine.trees.inputs import model_inputs
from fraudstream.engine.trees.model import Model, encode_model

FEATURES = """\
version: 1
entities: {account: {key: account_id, slots: 8}}
features:
  account.payments_1h: {aggregate: count, window: 1h}
  account.mean_1d: {aggregate: mean, of: amount, window: 1d, includes: false}
  foreign: {derive: country != "DE"}
"""
SCORE = "threshold: 0.9\nparts: [{part: busy, weight: 0.5, value: account.payments_1h, from: 1, to: 3}]\n"

Stump = tuple[int, float, float, float]  # input, threshold, log odds at most the threshold, and above it


def stumps(*given: Stump) -> Trees:
    """One tree a stump; a missing value goes right."""
    rows: list[tuple[Any, ...]] = []
    for number, (compared, cut, low, high) in enumerate(given):
        at = 3 * number
        rows += [(compared, cut, at + 1, at + 2, (low + high) / 2)]
        rows += [(LEAF, 0.0, LEAF, LEAF, value) for value in (low, high)]
    feature, threshold, left, right, value = (np.array(column) for column in zip(*rows, strict=True))
    return Trees(
        np.arange(0, len(rows), 3, dtype=np.int32),
        feature.astype(np.int32),
        threshold,
        left.astype(np.int32),
        right.astype(np.int32),
        np.zeros(len(rows), np.bool_),
        fixed(value),
    )


def model_bytes(names: Sequence[str], *given: Stump, features: str = FEATURES, score: str | None = SCORE) -> bytes:
    """The file of a model over the rule set's names, with a threshold of 0.5."""
    rule_set = compile_rule_set({"features.yaml": features} | ({} if score is None else {"score.yaml": score}))
    inputs = model_inputs(names, rule_set.catalogue, rule_set.base_score)
    return encode_model(Model(inputs, stumps(*given), logistic_table(), 500_000, {"use": "tests"}))


def with_models(models: Mapping[str, bytes], declaration: str, **files: str) -> RuleSet:
    """The compiled rule set. `declaration`: model.yaml. `files`: features, score, currencies, by their names."""
    texts = {"features.yaml": files.get("features", FEATURES), "score.yaml": files.get("score", SCORE)}
    texts["model.yaml"] = declaration
    if "currencies" in files:
        texts["currencies.yaml"] = files["currencies"]
    lines = [f"  {name}: {{digest: {artefact_digest(content)}}}" for name, content in models.items()]
    texts["artefacts.yaml"] = "\n".join(["artefacts:", *lines]) if lines else "artefacts: {}"
    return compile_rule_set(texts, artefacts={artefact_digest(content): content for content in models.values()})
