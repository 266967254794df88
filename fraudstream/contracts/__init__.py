"""The events published on Kafka topics, as msgspec structs. `topics/schemas/` holds the same contracts as JSON Schemas.

Schema evolution: a new field has a default, a field never changes its type or meaning, and unknown fields are ignored.
Old readers therefore accept new events and new readers accept old ones. `tests/unit/contracts/stored/` holds an event
of every released version to prove it.

The decoder validates everything that the field types express. Some checks would be too slow there and are left
to the caller: control characters in identifiers (`control_character_path`), and the codes of currency with its decimals
(`EXPONENTS`), country (`COUNTRIES`) and merchant category. `engine.contract_check` makes all of them.
"""

from fraudstream.contracts.alert import Alert, Evidence, FeatureValue, RuleHit, ScorePart
from fraudstream.contracts.audit_record import AuditEvent, AuditRecord, ChainHead
from fraudstream.contracts.case import Case, CaseAlert, CaseNote, CaseStep
from fraudstream.contracts.case_action import CaseAction
from fraudstream.contracts.case_answer import CaseAnswer
from fraudstream.contracts.control import ListEntry, RuleSwitch, StoredArtefact, StoredIdentifierSecret, StoredRuleSet
from fraudstream.contracts.control_characters import control_character_path
from fraudstream.contracts.country import COUNTRIES
from fraudstream.contracts.currency import EXPONENTS, amount_text
from fraudstream.contracts.dead_letter import DeadLetter
from fraudstream.contracts.decision import Decision, UnjudgedDecision
from fraudstream.contracts.label import Label
from fraudstream.contracts.notice import Notice, NoticePayment
from fraudstream.contracts.notice_answer import NoticeAnswer
from fraudstream.contracts.payment import Payment

__all__ = [
    "COUNTRIES",
    "EXPONENTS",
    "Alert",
    "AuditEvent",
    "AuditRecord",
    "Case",
    "CaseAction",
    "CaseAlert",
    "CaseAnswer",
    "CaseNote",
    "CaseStep",
    "ChainHead",
    "DeadLetter",
    "Decision",
    "Evidence",
    "FeatureValue",
    "Label",
    "ListEntry",
    "Notice",
    "NoticeAnswer",
    "NoticePayment",
    "Payment",
    "RuleHit",
    "RuleSwitch",
    "ScorePart",
    "StoredArtefact",
    "StoredIdentifierSecret",
    "StoredRuleSet",
    "UnjudgedDecision",
    "amount_text",
    "control_character_path",
]
