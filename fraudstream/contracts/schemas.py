"""JSON Schemas (2020-12) of the contracts, generated from the structs, for publishers and readers in other languages.

`topics/schemas/*.json` holds them; `fraudstream topics schemas --write topics/schemas` regenerates them.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from fraudstream.contracts.alert import Alert
from fraudstream.contracts.audit_record import AuditRecord
from fraudstream.contracts.case import Case
from fraudstream.contracts.case_action import CaseAction
from fraudstream.contracts.case_answer import CaseAnswer
from fraudstream.contracts.control import ListEntry, RuleSwitch, StoredArtefact, StoredIdentifierSecret, StoredRuleSet
from fraudstream.contracts.dead_letter import DeadLetter
from fraudstream.contracts.decision import Decision, UnjudgedDecision
from fraudstream.contracts.label import Label
from fraudstream.contracts.notice import Notice
from fraudstream.contracts.notice_answer import NoticeAnswer
from fraudstream.contracts.payment import Payment

CONTRACTS: Mapping[str, type[msgspec.Struct]] = {
    "payment": Payment,
    "label": Label,
    "decision": Decision,
    "unjudged-decision": UnjudgedDecision,
    "alert": Alert,
    "case": Case,
    "case-action": CaseAction,
    "case-answer": CaseAnswer,
    "audit-record": AuditRecord,
    "notice": Notice,
    "notice-answer": NoticeAnswer,
    "dead-letter": DeadLetter,
    "rule-switch": RuleSwitch,
    "list-entry": ListEntry,
    "rule-set": StoredRuleSet,
    "artefact": StoredArtefact,
    "identifier-secret": StoredIdentifierSecret,
}

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def contract_schemas() -> dict[str, dict[str, Any]]:
    """The schema of each contract, by name. Unknown fields are allowed, because every reader ignores them."""
    return {name: schema_of(struct) for name, struct in CONTRACTS.items()}


def schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of one struct."""
    return {"$schema": DIALECT, **_tidied(msgspec.json.schema(struct))}


def schema_text(schema: Mapping[str, Any]) -> str:
    """The text of a schema file: indented JSON with a final newline.

    >>> schema_text({"type": "object"})
    '{\\n  "type": "object"\\n}\\n'
    """
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _tidied(node: Any) -> Any:
    """A copy of `node` whose descriptions are without the line breaks and indentation of the docstrings."""
    if isinstance(node, dict):
        return {
            key: " ".join(inspect.cleandoc(value).split())
            if key == "description" and isinstance(value, str)
            else _tidied(value)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_tidied(item) for item in node]
    return node
