"""What models cost in the engine: CPU microseconds a payment without one, with one that decides, with more in shadow.

    python -m benchmarks.shadow_models [--shadow 4] [--trees 500] [--leaves 31] [--lengths 1 500] [--seconds 5]

The records are those of `benchmarks.engine_alone` under the shipped rules. The models are trained on other payments of
the same kind, with all inputs that `fraudstream train` would give them, each by another seed. Prints a line of JSON for
each length and number of models: medians over the lists after a warm-up.
"""

from __future__ import annotations

import argparse
import json

import msgspec

from benchmarks.engine_alone import ACCOUNTS, measure
from benchmarks.payments import START_MS, STEP_MS, payments
from benchmarks.reference_payments.plan import GeneratorPlan
from benchmarks.reference_payments.stream import stream
from benchmarks.throughput import RULES
from fraudstream.cli.rule_files import rule_texts
from fraudstream.contracts.artefact import artefact_digest
from fraudstream.engine.engine import Engine
from fraudstream.engine.records import Record, records_of
from fraudstream.engine.rule_set import RuleSet, compile_rule_set
from fraudstream.engine.trees.model import encode_model
from fraudstream.learning.boosting import Boosting
from fraudstream.learning.default_inputs import default_inputs
from fraudstream.learning.train import TrainingOptions, train
from fraudstream.learning.training_table import Period, TrainingTable, training_table

COUNT, TRAINED = 120_000, 60_000
LIVE = "live"

_encode = msgspec.json.Encoder().encode


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.shadow_models", description=(__doc__ or "").partition("\n")[0]
    )
    for name, default in (("shadow", 4), ("trees", 500), ("leaves", 31)):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"default: {default}")
    parser.add_argument("--lengths", nargs="+", type=int, default=[1, 500], metavar="N", help="default: 1 500")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="for each length (default: 5)")
    args = parser.parse_args()
    records = records_of(
        [
            Record(offset, int(payment.occurred_at), payment.account_id.encode(), _encode(payment), ())  # type: ignore[arg-type]
            for offset, payment in enumerate(payments("shipped", COUNT, ACCOUNTS))
        ]
    )
    models = trained_models(1 + args.shadow, args.trees, args.leaves)
    engines = {count: Engine(with_models(dict(list(models.items())[:count]))) for count in (0, 1, 1 + args.shadow)}
    for length in args.lengths:
        for count, engine in engines.items():
            spent = measure(engine, records, length, args.seconds)
            print(json.dumps({"length": length, "models": count, "us_a_payment": round(spent / length, 2)}))


def trained_models(count: int, trees: int, leaves: int) -> dict[str, bytes]:
    """The files of `count` models of the shipped rules, by name; the first is `LIVE`."""
    rule_set = with_models({})
    table, period = _table(rule_set)
    names = [LIVE, *(f"shadow_{number}" for number in range(1, count))]
    return {
        name: encode_model(train(rule_set, table, period, TrainingOptions(Boosting(trees, leaves, seed=seed), 50.0)))
        for seed, name in enumerate(names, start=1)
    }


def with_models(models: dict[str, bytes]) -> RuleSet:
    """The shipped rules with these models: `LIVE` decides, the others are in shadow."""
    declared = {name: {"digest": artefact_digest(content)} for name, content in models.items()}
    texts = rule_texts(RULES["shipped"])
    if models:
        texts |= {
            "artefacts.yaml": json.dumps({"artefacts": declared}),
            "model.yaml": json.dumps({"champion": LIVE, "challengers": [name for name in models if name != LIVE]}),
        }
    return compile_rule_set(texts, artefacts={artefact_digest(content): content for content in models.values()})


def _table(rule_set: RuleSet) -> tuple[TrainingTable, Period]:
    """What models learn from: payments of another seed than those that are measured."""
    plan = GeneratorPlan(seed=2, start_ms=START_MS, accounts=ACCOUNTS, rate=1000 / STEP_MS, history_ms=0)
    end_ms = START_MS + TRAINED * STEP_MS
    period = Period(START_MS, START_MS + (end_ms - START_MS) * 2 // 3, end_ms, 0)
    inputs = default_inputs(rule_set.catalogue, rule_set.base_score)
    return training_table(rule_set, stream(plan, TRAINED), inputs, period, TRAINED), period


if __name__ == "__main__":
    main()
