"""The faults of a draft, found while it is typed: those of `rules check`, of one file against the rules in force."""

from __future__ import annotations

from typing import NamedTuple

from fraudstream.engine.document import DocumentErrors, read_document
from fraudstream.engine.expression import Fault
from fraudstream.engine.feature_domains import domains_of
from fraudstream.engine.rule_set import TEST_SUFFIX, RuleSet, RuleSetErrors, compile_rule_set
from fraudstream.engine.rules import RULE_CHARS_MAX, read_rule
from fraudstream.operations.rules_in_force import InForce


class TextParts(NamedTuple):
    """A rule's text around its condition; `condition` is empty if it is not found."""

    before: str
    condition: str
    after: str


def faults_of(rule_set: RuleSet, name: str, rule_text: str, cases_text: str) -> list[Fault]:
    """The faults of a rule's text under the features, lists and other rules of `rule_set`, then those in the form of
    its test cases. What the cases mean is checked when they run."""
    return [*_rule_faults(rule_set, name, rule_text), *_cases_faults(name, cases_text)]


def setting_faults_of(in_force: InForce, path: str, text: str) -> list[Fault]:
    """The faults of a file that is no rule, such as the score, with all other files of the rules in force. Blocks for
    as long as a rule set takes to compile."""
    try:
        compile_rule_set({**in_force.rule_set.files, path: text}, None, in_force.artefacts)
    except RuleSetErrors as errors:
        return list(errors.faults)
    return []


def _rule_faults(rule_set: RuleSet, name: str, text: str) -> list[Fault]:
    path = f"{name}.yaml"
    if len(text) > RULE_CHARS_MAX:
        return [Fault(path, 1, 1, f"longer than {RULE_CHARS_MAX} characters. Shorten the rule.")]
    try:
        root = read_document(text, path)
    except DocumentErrors as errors:
        return list(errors.faults)
    rule = read_rule(root, name, rule_set.catalogue.symbols, rule_set.lists, domains_of(rule_set.catalogue))
    faults = sorted(root.faults)
    others = (*rule_set.rules, *rule_set.retired)
    for other in others if rule is not None else ():
        if rule is not None and other.rule_id == rule.rule_id and other.name != name:
            faults.append(Fault(path, 1, 1, f"id {rule.rule_id} is that of {other.path}. Give this rule a new id."))
    return faults


def _cases_faults(name: str, text: str) -> list[Fault]:
    if not text.strip():
        return []
    try:
        read_document(text, f"{name}{TEST_SUFFIX}")
        return []
    except DocumentErrors as errors:
        return list(errors.faults)


def text_parts(text: str) -> TextParts:
    """The text of a rule around its condition, as written.

    >>> text_parts("title: x\\nwhen: amount > 5\\nmessage: y")
    TextParts(before='title: x\\nwhen: ', condition='amount > 5', after='\\nmessage: y')
    """
    try:
        node = read_document(text, "").entry("when")
    except DocumentErrors:
        node = None
    raw = "" if node is None or not node.is_word else node.source[0]
    at = text.find(raw, max(text.find("when"), 0)) if raw else -1
    if at < 0:
        return TextParts(text, "", "")
    return TextParts(text[:at], raw, text[at + len(raw) :])
