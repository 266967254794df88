"""What a model costs: microseconds a payment of the engine's trees and of LightGBM's own predict, in the same run.

    python -m benchmarks.trees [--trees 500] [--leaves 31] [--inputs 109]

The model is trained on drawn values. Each figure is the least of several runs on one thread, so that what else the
machine does is left out; the ratio of two figures holds better than either.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fraudstream.engine.score import NO_SCORE
from fraudstream.engine.trees.calibration import logistic_table
from fraudstream.engine.trees.model import Model, ModelInput
from fraudstream.engine.trees.scorer import ModelScorer, ModelScores
from fraudstream.learning.boosting import Boosting
from fraudstream.learning.errors import library
from fraudstream.learning.lightgbm_trees import trees_of_lightgbm

BATCHES = (1, 50, 500)
RUNS, PAYMENTS_A_RUN = 7, 1_000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in (("trees", 500), ("leaves", 31), ("inputs", 109)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    values, booster = _trained(args.trees, args.leaves, args.inputs)
    trees = trees_of_lightgbm(booster)
    inputs = tuple(ModelInput(f"f{number}", "NUMBER", "{}") for number in range(args.inputs))
    scorer = ModelScorer("drawn", "", Model(inputs, trees, logistic_table(), 500_000, {}), NO_SCORE, 500_000)
    print(f"{args.trees} trees x {args.leaves} leaves, {args.inputs} inputs, {trees.nodes:,} nodes; one thread")
    print(f"{'batch':>6} {'engine':>9} {'LightGBM':>9} {'ratio':>6}   us a payment")
    for size in BATCHES:
        rows, number = values[:size].copy(), np.ascontiguousarray(values[:size].T)
        ours = _least(lambda n=number: _scores(scorer, n), size)  # type: ignore[misc]
        theirs = _least(lambda r=rows: booster.predict(r, raw_score=True, num_threads=1), size)  # type: ignore[misc]
        print(f"{size:>6} {ours:>9.1f} {theirs:>9.1f} {theirs / ours:>6.1f}")
    scores = _scores(scorer, np.ascontiguousarray(values[:500].T))
    alert = _least(lambda: scores.contributions(np.arange(10)), 10)
    exact = _least(lambda: booster.predict(values[:100], pred_contrib=True, num_threads=1), 1_000) * 10
    print(f"contributions of an alert: engine {alert:.0f} us, LightGBM's TreeSHAP {exact:.0f} us")


def _trained(trees: int, leaves: int, inputs: int) -> tuple[Any, Any]:
    """Drawn values, half of them counts, some missing: float64, shape (20000, inputs); and a model of them."""
    lightgbm = library("lightgbm")
    random = np.random.default_rng(1)
    values = random.normal(size=(20_000, inputs))
    values[:, inputs // 2 :] = np.round(np.abs(values[:, inputs // 2 :]) * 2)
    odds = values[:, : inputs // 8].sum(axis=1) + values[:, inputs // 2] * values[:, 1] - 3
    values[random.random(values.shape) < 0.05] = np.nan
    labels = random.random(len(values)) < 1 / (1 + np.exp(-odds))
    parameters = Boosting(trees=trees, leaves=leaves).parameters
    return values, lightgbm.train({**parameters, "num_threads": 1}, lightgbm.Dataset(values, labels), trees)


def _scores(scorer: ModelScorer, number: Any) -> ModelScores:
    return ModelScores(scorer, number, np.ones(number.shape[1]), np.arange(len(number)))


def _least(call: Callable[[], object], payments: int) -> float:
    """The least microseconds a payment of `RUNS` runs."""
    call()
    times, repeats = [], max(1, PAYMENTS_A_RUN // payments)
    for _ in range(RUNS):
        started = time.thread_time()
        for _ in range(repeats):
            call()
        times.append((time.thread_time() - started) / repeats / payments)
    return min(times) * 1e6


if __name__ == "__main__":
    main()
