"""A rule set: the catalogue of features, the rules and the score, compiled together and known by a digest.

Every fault of every file is collected, so that one check shows all there is to mend.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import blake2b
from typing import Any

from fraudstream.engine.catalogue import Catalogue, parse_catalogue
from fraudstream.engine.document import DocumentErrors, Node, read_document
from fraudstream.engine.expression import Expression, Fault, Symbols, Type, ValueLists
from fraudstream.engine.list_declarations import read_lists
from fraudstream.engine.rules import RULE_CHARS_MAX, Rule, read_rule
from fraudstream.engine.score import NO_SCORE, read_score
from fraudstream.engine.scorer import Scorer

FEATURES, LISTS, SCORE, TEST_SUFFIX = "features.yaml", "lists.yaml", "score.yaml", ".test.yaml"
RULES_MAX = 1_000

_SILENT = (
    "path",
    "references",
    "blind_spots",
    "false_positives",
    "description",
)  # what a rule says to people, not in its alerts
_RULE_PATH = re.compile(r"(?P<name>[a-z][a-z0-9_]{0,63}/[a-z][a-z0-9_]{0,63})\.yaml")


class RuleSetErrors(DocumentErrors):
    """Everything wrong with a rule set; `faults` has each with its place."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """`rules`: live and shadow, by name; `retired`: kept, not judged.

    `digest`: 16 hex digits of all that can change an alert, and of nothing else (not comments, layout, test cases).
    `files`: the texts that it was compiled from, by path.
    """

    digest: str
    catalogue: Catalogue
    rules: tuple[Rule, ...]
    scorer: Scorer
    retired: tuple[Rule, ...] = ()
    lists: ValueLists = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def compile_rule_set(texts: Mapping[str, str], catalogue: Catalogue | None = None) -> RuleSet:
    """Compile the files of a rules directory: {path below it: text}. Test cases and files not of YAML are passed over.

    `catalogue` stands in for `features.yaml`. Without `score.yaml` every score is 0. Raises `RuleSetErrors`.
    """
    faults: list[Fault] = []
    roots: dict[str, Node] = {}
    paths = [
        path for path in sorted(texts) if path.endswith(".yaml") and not path.endswith(TEST_SUFFIX) and path != FEATURES
    ]
    if len(paths) > RULES_MAX:
        raise RuleSetErrors([Fault(paths[0], 1, 1, f"{len(paths)} files are too many: at most {RULES_MAX}.")])
    for path in paths:
        try:
            roots[path] = _read(texts[path], path)
        except DocumentErrors as errors:
            faults.extend(errors.faults)

    if catalogue is None:
        catalogue = _catalogue(texts, faults)
    rules: list[Rule] = []
    scorer: Scorer = NO_SCORE
    lists = read_lists(roots[LISTS]) if LISTS in roots else {}
    if catalogue is not None:  # without it every name of a rule would be a fault of its own
        symbols = catalogue.symbols
        for path, root in roots.items():
            if path == SCORE:
                scorer = read_score(root, symbols, lists)
            elif path != LISTS:
                rules.extend(_rule(root, path, symbols, lists))
        faults.extend(fault for root in roots.values() for fault in root.faults)
        faults.extend(_repeated_ids(rules))
    if faults:
        raise RuleSetErrors(sorted(faults))
    assert catalogue is not None, "no catalogue, and no fault that says so"
    judged = [rule for rule in rules if rule.status != "retired"]
    return RuleSet(
        digest=_digest(catalogue, judged, scorer, lists),
        catalogue=catalogue,
        rules=tuple(judged),
        scorer=scorer,
        retired=tuple(rule for rule in rules if rule.status == "retired"),
        lists=lists,
        files={path: texts[path] for path in (FEATURES, *paths) if path in texts},
    )


def _read(text: str, path: str) -> Node:
    if len(text) > RULE_CHARS_MAX:
        raise DocumentErrors([Fault(path, 1, 1, f"longer than {RULE_CHARS_MAX} characters. Split the file.")])
    return read_document(text, path)


def _catalogue(texts: Mapping[str, str], faults: list[Fault]) -> Catalogue | None:
    if FEATURES not in texts:
        faults.append(Fault(FEATURES, 1, 1, "there is no such file: the features that rules read are declared in it."))
        return None
    try:
        return parse_catalogue(texts[FEATURES], FEATURES)
    except DocumentErrors as errors:
        faults.extend(errors.faults)
        return None


def _rule(root: Node, path: str, symbols: Symbols, lists: ValueLists) -> list[Rule]:
    match = _RULE_PATH.fullmatch(path)
    if match is None:
        root.fault("a rule's file is <typology>/<name>.yaml, in small letters, digits and '_'. Move it.")
        return []
    rule = read_rule(root, match["name"], symbols, lists)
    return [] if rule is None else [rule]


def _repeated_ids(rules: list[Rule]) -> list[Fault]:
    first: dict[str, Rule] = {}
    return [
        Fault(rule.path, 1, 1, f"id {rule.rule_id} is also that of {first[rule.rule_id].path}. Give one a new id.")
        for rule in rules
        if first.setdefault(rule.rule_id, rule) is not rule
    ]


def _digest(catalogue: Catalogue, rules: list[Rule], scorer: Scorer, lists: ValueLists) -> str:
    parts = [catalogue, sorted(rules, key=lambda rule: rule.name), scorer.digest_content]
    content = _content([*parts, lists] if lists else parts)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return blake2b(canonical.encode(), digest_size=8).hexdigest()


def _content(value: Any) -> Any:
    """A compiled part as plain data: an expression as its text, so that layout and comments do not count."""
    if isinstance(value, Expression):
        return value.source
    if isinstance(value, Type):
        return value.name
    if isinstance(value, Mapping):
        return {key: _content(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_content(item) for item in value]
    if is_dataclass(value):
        return {f.name: _content(getattr(value, f.name)) for f in fields(value) if f.name not in _SILENT}
    assert value is None or isinstance(value, (str, int, float)), f"{type(value).__name__} has no canonical form"
    return value
