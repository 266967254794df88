"""The events that cross a topic. Each struct says what its fields mean; `topics/` says the same to other languages.

Evolution: a new field has a default, a field never changes its type or meaning, unknown fields are ignored. So an old
reader takes new events and a new reader takes old ones; `tests/unit/contracts/stored/` holds events of every past
version to prove it.

A decoder checks what a struct's types say. Two things it cannot say cheaply are checked by whoever decodes: control
characters in identifiers (`control_character_path`), and a currency and its decimals (`EXPONENTS`).
"""

from fraudstream.contracts.alert import Alert, Evidence, FeatureValue, RuleHit, ScorePart
from fraudstream.contracts.case import Case, CaseAlert
from fraudstream.contracts.case_action import CaseAction
from fraudstream.contracts.control import ListEntry, RuleSwitch, StoredArtefact, StoredRuleSet
from fraudstream.contracts.control_characters import control_character_path
from fraudstream.contracts.currency import EXPONENTS, amount_text
from fraudstream.contracts.dead_letter import DeadLetter
from fraudstream.contracts.decision import Decision
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment

__all__ = [
    "EXPONENTS",
    "Alert",
    "Case",
    "CaseAction",
    "CaseAlert",
    "DeadLetter",
    "Decision",
    "Evidence",
    "FeatureValue",
    "Label",
    "ListEntry",
    "Payment",
    "RuleHit",
    "RuleSwitch",
    "ScorePart",
    "StoredArtefact",
    "StoredRuleSet",
    "amount_text",
    "control_character_path",
]
