"""The first text of a rule and of its test cases: valid, tested, and with comments that say what to change."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from fraudstream.engine.rule_set import TEST_SUFFIX
from fraudstream.operations.errors import InvalidValueError

FEATURES_SHOWN_MAX: Final = 6

_NAME = re.compile(r"(?P<typology>[a-z][a-z0-9_]{0,63})/(?P<name>[a-z][a-z0-9_]{0,63})")

_RULE: Final = """\
# What every line means: docs/rules.md. Which names a rule may use: `fraudstream rules reference`.
id: {rule_id} # never changes, also if the file or the title does
title: {title}
status: shadow # evaluated and shown in alerts, but decides nothing; `live` once it has proved itself
severity: medium # low, medium, high or critical
outcome: review # or block
tags: [typology.{tag}]
references: [docs/typologies.md#{tag}]
# True where the payment is suspicious. A comparison with a missing value is neither true nor false, so the rule does
# not fire on it; ask for absence with `device_id is missing`. Amounts are in the payment's own currency.
# {features}
when: >-
  direction == "debit" and kind == "transfer" and amount > 1_000
message: "{{amount}} to {{counterparty_id}}" # for the analyst; any field or feature in braces
blind_spots: [several payments that each stay below the amount]
false_positives: [a customer who pays for something expensive]
"""

_CASES: Final = """\
# The cases of {path}. They run on the engine of the stream: `fraudstream rules test`.
# Each case is a payment and the history before it. A failed case shows the values that it saw.
defaults: {{currency: EUR, direction: debit, kind: transfer, channel: app}} # of every payment here
past: # before every case; {{i}} counts 0, 1, 2
  - {{at: -20d, repeat: 5, every: 4d, amount: 50, counterparty_id: "shop-{{i}}"}}
cases:
  - name: a large transfer
    shows: firing
    expect: fires
    payment: {{amount: 1500, counterparty_id: somebody}}
  - name: a transfer of exactly the amount is not above it
    shows: near_miss
    expect: silent
    payment: {{amount: 1000, counterparty_id: somebody}}
  - name: nothing here tells the purchase of a car from fraud
    shows: false_positive
    expect: fires
    history: [{{at: -1d, amount: 200, counterparty_id: car-dealer}}] # a deposit, the day before
    payment: {{amount: 9000, counterparty_id: car-dealer}}
"""


def is_rule_name(name: str) -> bool:
    """Whether a rule, and so its file, can have this name.

    >>> is_rule_name("mule/fan_out"), is_rule_name("../secret"), is_rule_name("mule")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None


def new_rule(name: str, rule_id: str, features: Iterable[str] = ()) -> dict[str, str]:
    """The two files of a new rule, {path below the rules directory: text}, which pass the check and their own cases.

    `name`: 'typology/name'. `rule_id`: a UUID. `features`: names that the comments mention. Raises `InvalidValueError`.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidValueError(
            "name", name, f"'{name[:70]}' is not a rule: write TYPOLOGY/NAME, each of small letters, digits and '_'."
        )
    shown = list(features)[:FEATURES_SHOWN_MAX]
    hint = f"Features of this directory: {', '.join(shown)}, …" if shown else "Features: declare some in features.yaml."
    words = match["name"].replace("_", " ")
    tag = match["typology"].replace("_", "-")
    rule = _RULE.format(rule_id=rule_id, title=words[0].upper() + words[1:], tag=tag, features=hint)
    return {f"{name}.yaml": rule, f"{name}{TEST_SUFFIX}": _CASES.format(path=f"{match['name']}.yaml")}
