"""The rule set that most tests of the stream use, and how a rule set is written and compiled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fraudstream.engine.engine import Engine
from fraudstream.engine.rule_set import compile_rule_set

# The message of every alert is the number of payments that the worker has counted for the account. A payment that is
# counted twice, or is missing from the state, shows in every later alert of that account.
RULES = {
    "features.yaml": """
version: 1
entities:
  account: {key: account_id, slots: 64, panes: {width: 2d, count: 16}}
features:
  account.payments_30d: {aggregate: count, window: 30d}
""",
    "score.yaml": "threshold: 0.9\nparts: []\n",
    "test/counted.yaml": """
id: 0b6f6c1e-6a55-4c3b-9a0e-5d1f0f1d7a42
title: Two or more payments
status: live
severity: high
tags: [typology.test]
when: account.payments_30d >= 2
message: "{account.payments_30d}"
blind_spots: [the first]
false_positives: [all others]
""",
}


def engine(rules: Mapping[str, str] = RULES, artefacts: Mapping[str, bytes] = MappingProxyType({})) -> Engine:
    """The engine of these rule files (texts by path) and artefacts (by digest)."""
    return Engine(compile_rule_set(rules, artefacts=artefacts))


def write_rules(directory: Path, rules: Mapping[str, str]) -> Path:
    """Write these rule files (texts by path) into `directory`, which is returned."""
    for path, text in rules.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    return directory
