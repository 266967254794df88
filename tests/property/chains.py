"""Engines of chains of stages, and of the same rule sets in one process."""

from __future__ import annotations

from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set
from tests.oracle.catalogues import CATALOGUES
from tests.property.rule_sets import CURRENCIES, RULES

_MERCHANT = "  merchant.fraud_1d: {aggregate: share, of: fraud, window: 1d}\n  merchant.age: {aggregate: age}\n"


def _with_merchant(catalogue: str) -> str:
    entities, features = catalogue.split("features:", 1)
    return f"{entities}  merchant: {{key: merchant_id, slots: 4}}\nfeatures:{features}{_MERCHANT}"


_OTHERS = {"tight": {"currencies.yaml": CURRENCIES}}  # one of the chains converts amounts

WHOLE = {
    name: Engine(compile_rule_set({"features.yaml": _with_merchant(text), **RULES, **_OTHERS.get(name, {})}))
    for name, text in CATALOGUES.items()
}
CHAINS = {name: [engine.of_stage(stage) for stage in engine.stages] for name, engine in WHOLE.items()}
