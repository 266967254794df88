"""Which rules of two rule sets are the same rule, and what differs between the two.

A rule is known by its permanent id: its file may move.
"""

from __future__ import annotations

from typing import NamedTuple

from fraudstream.engine.rule_set import RuleSet
from fraudstream.engine.rules import Rule
from fraudstream.evaluation.rule_difference import Change


class RulePair(NamedTuple):
    """A rule in two rule sets, None where there is none. `old_number`, `new_number`: its place among the rules that are
    evaluated, None if it is not."""

    old: Rule | None
    new: Rule | None
    old_number: int | None
    new_number: int | None

    @property
    def name(self) -> str:
        """The new name, else the old one."""
        rule = self.new or self.old
        assert rule is not None, "a pair has a rule"
        return rule.name

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of the fields that differ, of those that change an alert; none of a new or removed rule."""
        if self.old is None or self.new is None:
            return ()
        old, new = _content(self.old), _content(self.new)
        return tuple(name for name in old if old[name] != new[name])

    @property
    def change(self) -> Change:
        """What has become of the rule. One that is retired now, or was until now, is removed or new."""
        if self.new_number is None and self.old_number is not None:
            return "removed"
        if self.old_number is None and self.new_number is not None:
            return "new"
        return "changed" if self.changed else "same"


def rule_pairs(old: RuleSet, new: RuleSet) -> list[RulePair]:
    """Every rule that is evaluated on one of the sides, by name."""
    before, after = _by_id(old), _by_id(new)
    pairs = []
    for rule_id in before.keys() | after.keys():
        (old_rule, old_number), (new_rule, new_number) = before.get(rule_id, _NONE), after.get(rule_id, _NONE)
        if old_number is not None or new_number is not None:
            pairs.append(RulePair(old_rule, new_rule, old_number, new_number))
    return sorted(pairs, key=lambda pair: pair.name)


_NONE: tuple[Rule | None, int | None] = (None, None)


def _by_id(rule_set: RuleSet) -> dict[str, tuple[Rule | None, int | None]]:
    """By permanent id: the rule, and its number if it is evaluated."""
    retired: dict[str, tuple[Rule | None, int | None]] = {rule.rule_id: (rule, None) for rule in rule_set.retired}
    return retired | {rule.rule_id: (rule, number) for number, rule in enumerate(rule_set.rules)}


def _content(rule: Rule) -> dict[str, object]:
    """The fields that can change an alert, expressions as their text."""
    return {
        "name": rule.name,
        "title": rule.title,
        "status": rule.status,
        "severity": rule.severity,
        "outcome": rule.outcome,
        "tags": rule.tags,
        "when": rule.when.source,
        "message": rule.message.template,
    }
