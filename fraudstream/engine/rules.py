"""A rule, one YAML file each: its condition, severity and outcome, and its documentation for people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast, get_args
from uuid import UUID

from fraudstream.contracts.fields import Outcome, Severity
from fraudstream.engine.document import Node
from fraudstream.engine.expression import (
    PAYMENT_DOMAINS,
    Domains,
    Expression,
    ExpressionError,
    Symbols,
    Type,
    ValueLists,
    compile_expression,
)
from fraudstream.engine.message import Message, read_message

RULE_CHARS_MAX = 1 << 16
TITLE_CHARS_MAX = 120

_KEYS = (
    "id", "title", "status", "retired_because", "severity", "outcome", "tags", "references",
    "when", "message", "blind_spots", "false_positives",
)  # fmt: skip
_REQUIRED = ("id", "title", "status", "severity", "when", "message")
_TAG = re.compile(r"[a-z][a-z0-9_-]*\.[a-z0-9][a-z0-9_.-]*")
_OUTCOMES = ("review", "block")
_STATUSES = ("shadow", "live", "retired")


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `name`: 'typology/name', from the file's path. `rule_id`: permanent; name and title may change.

    `status`: `live` rules decide; `shadow` rules are evaluated and shown but do not decide; `retired` rules are kept on
    file and checked, not evaluated. `when`: the condition. `message`: shown in alerts.
    """

    name: str
    rule_id: str
    title: str
    status: str
    severity: Severity
    outcome: Outcome
    tags: tuple[str, ...]
    references: tuple[str, ...]
    when: Expression
    message: Message
    blind_spots: tuple[str, ...]
    false_positives: tuple[str, ...]
    path: str

    @property
    def names(self) -> frozenset[str]:
        """The fields and features that its condition or its message reads."""
        return self.when.names | frozenset(self.message.fields)


def read_rule(
    root: Node, name: str, symbols: Symbols, lists: ValueLists, domains: Domains | None = PAYMENT_DOMAINS
) -> Rule | None:
    """The rule of a document; None if it has faults, which are added to the document's. `name`: 'typology/name'.
    `domains`: the values that names can have."""
    faults_before = len(root.faults)
    entries = root.entries("a rule", _KEYS, _REQUIRED)
    when = None
    if "when" in entries:
        when = read_expression(entries["when"], "when", symbols, Type.BOOL, lists, domains)
    if when is not None and not when.names:
        entries["when"].fault("this reads no field or feature: the rule would fire always or never.")
    status = entries["status"].choice("status", _STATUSES) if "status" in entries else "shadow"
    if status == "retired" and "retired_because" not in entries:
        root.fault("a retired rule needs a reason: add 'retired_because'.")
    severity = entries["severity"].choice("severity", get_args(Severity)) if "severity" in entries else "low"
    outcome = entries["outcome"].choice("outcome", _OUTCOMES) if "outcome" in entries else "review"
    rule_id = _uuid(entries["id"]) if "id" in entries else ""
    title = _title(entries["title"]) if "title" in entries else ""
    message = read_message(entries["message"], symbols) if "message" in entries else None
    tags, references = _tags(entries), _words(entries, "references")
    blind_spots, false_positives = _words(entries, "blind_spots"), _words(entries, "false_positives")
    if len(root.faults) > faults_before or when is None or message is None:
        return None
    return Rule(
        name=name,
        rule_id=rule_id,
        title=title,
        status=status,
        severity=cast(Severity, severity),
        outcome=cast(Outcome, outcome),
        tags=tags,
        references=references,
        when=when,
        message=message,
        blind_spots=blind_spots,
        false_positives=false_positives,
        path=root.path,
    )


def read_expression(
    node: Node,
    what: str,
    symbols: Symbols,
    expected: Type | tuple[Type, ...],
    lists: ValueLists | None = None,
    domains: Domains | None = PAYMENT_DOMAINS,
) -> Expression | None:
    """The expression of a node; None and a fault at its position if it is invalid. `what`: names the node in faults."""
    if not node.is_word:
        node.word(what)
        return None
    source, origin = node.source
    try:
        return compile_expression(source, symbols, expected, origin, lists, domains)
    except ExpressionError as error:
        node.faults.extend(error.faults)
        return None


def _uuid(node: Node) -> str:
    text = node.word("id")
    try:
        well_formed = str(UUID(text)) == text
    except ValueError:
        well_formed = False
    if not well_formed:
        node.fault("id must be a UUID in lower case, such as python -c 'import uuid; print(uuid.uuid4())' makes.")
    return text


def _title(node: Node) -> str:
    title = " ".join(node.word("title").split())
    if not 1 <= len(title) <= TITLE_CHARS_MAX:
        node.fault(f"title must have 1 to {TITLE_CHARS_MAX} characters, not {len(title)}.")
    return title


def _words(entries: dict[str, Node], key: str) -> tuple[str, ...]:
    if key not in entries:
        return ()
    return tuple(" ".join(item.word(f"an entry of {key}").split()) for item in entries[key].items(key))


def _tags(entries: dict[str, Node]) -> tuple[str, ...]:
    if "tags" not in entries:
        return ()
    items = entries["tags"].items("tags")
    for item in items:
        if not _TAG.fullmatch(tag := item.word("a tag")):
            item.fault(f"'{tag[:40]}' is not a tag: write it as 'kind.value', such as channel.app.")
    return tuple(item.word("a tag") for item in items)
