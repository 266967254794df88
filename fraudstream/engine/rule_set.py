"""A rule set: features, rules, score, lists, currencies and artefacts compiled together, and identified by a digest.

All faults of all files are collected, so that one check shows everything there is to fix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import blake2b
from typing import Any

from fraudstream.engine.artefacts import ARTEFACTS, Artefact, digests, read_artefacts
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.currencies import Currencies, read_currencies
from fraudstream.engine.document import DocumentErrors, Node, read_document
from fraudstream.engine.expression import Domains, Expression, Fault, Symbols, Type, ValueLists
from fraudstream.engine.feature_domains import domains_of
from fraudstream.engine.learned_score.reading import read_evidence_score
from fraudstream.engine.list_declarations import read_lists
from fraudstream.engine.rules import RULE_CHARS_MAX, Rule, read_rule
from fraudstream.engine.score import NO_SCORE, read_score
from fraudstream.engine.scorer import Scorer
from fraudstream.engine.trees.declaration import MODEL, Models, read_models
from fraudstream.engine.trees.inputs import SCORE as SCORE_NAME
from fraudstream.engine.trees.scorer import ModelScorer

FEATURES, LISTS, SCORE, CURRENCIES = "features.yaml", "lists.yaml", "score.yaml", "currencies.yaml"
TEST_SUFFIX = ".test.yaml"
RULES_MAX = 1_000

# Fields of a rule that inform people and change no alert.
_NOT_IN_DIGEST = ("path", "references", "blind_spots", "false_positives", "description")
# Fields that came with a later release, and count only where they are declared.
_COUNTED_WHERE_DECLARED = ("prior", "strength", "last", "label_retention_ms")
_RULE_PATH = re.compile(r"(?P<name>[a-z][a-z0-9_]{0,63}/[a-z][a-z0-9_]{0,63})\.yaml")


class RuleSetErrors(DocumentErrors):
    """Everything wrong with a rule set; `faults` has each with its file, line and column."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A compiled rule set.

    `digest`: 16 hex digits over everything that can change an alert, and nothing else (no comments, layout, test
    cases). `rules`: live and shadow rules, by name. `retired`: rules kept on file, not evaluated. `lists`: the declared
    lists by name. `files`: the texts that it was compiled from, by path. `artefacts`: its binary files by name.
    `scorer`: whose points decide: the champion of the models, else the score. `challengers`: models that score every
    payment and decide nothing. `currencies`: by which amounts are converted; None if they are not.
    """

    digest: str
    catalogue: Catalogue
    rules: tuple[Rule, ...]
    scorer: Scorer
    retired: tuple[Rule, ...] = ()
    lists: ValueLists = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)
    challengers: tuple[ModelScorer, ...] = ()
    currencies: Currencies | None = None

    @property
    def base_currency(self) -> str | None:
        """Code of the currency to which amounts are converted; None if they are not."""
        return None if self.currencies is None else self.currencies.base

    @property
    def base_score(self) -> Scorer:
        """The rule set's own score, which models may read."""
        return self.scorer.base if isinstance(self.scorer, ModelScorer) else self.scorer

    @property
    def shadow_scores(self) -> tuple[str, ...]:
        """Names of the scores that decide nothing, as of `Verdicts.shadow_points`."""
        return tuple(self.shadow_thresholds)

    @property
    def shadow_thresholds(self) -> Mapping[str, int]:
        """By the name of each score that decides nothing, the points from which on it would alert."""
        found = {model.name: model.threshold_points for model in self.challengers}
        if isinstance(self.scorer, ModelScorer) and self.base_score.inputs:
            found[SCORE_NAME] = self.base_score.threshold_points
        return found


def compile_rule_set(
    texts: Mapping[str, str],
    catalogue: Catalogue | None = None,
    artefacts: Mapping[str, bytes] | None = None,
    *,
    accepted: bool = False,
    to_be_tuned: bool = False,
) -> RuleSet:
    """Compile the files of a rules directory. Raises `RuleSetErrors`.

    `texts`: {path below the directory: text}; test cases and files that are not YAML are ignored. `catalogue`: used in
    place of `features.yaml`. `artefacts`: bytes by digest of what `artefacts.yaml` names, see `artefacts_named`.
    Without `score.yaml` every score is 0. `accepted`: the rule set was in force before, so that a comparison that no
    payment meets, which an older release let pass, is no fault. `to_be_tuned`: see `read_evidence_score`; artefacts and
    models are not read.
    """
    faults: list[Fault] = []
    paths = [path for path in sorted(texts) if _is_compiled(path)]
    roots = _roots(texts, paths, faults)
    if catalogue is None:
        catalogue = _catalogue(texts, faults, accepted)
    lists = read_lists(roots[LISTS]) if LISTS in roots else {}
    currencies = read_currencies(roots[CURRENCIES]) if CURRENCIES in roots else None
    binaries = read_artefacts(roots[ARTEFACTS], artefacts or {}) if ARTEFACTS in roots and not to_be_tuned else {}
    rules: list[Rule] = []
    scorer: Scorer = NO_SCORE
    models = Models()
    if catalogue is not None:  # without it every name of a rule would be a fault of its own
        symbols, domains = catalogue.symbols, None if accepted else domains_of(catalogue)
        rules = [rule for path, root in roots.items() for rule in _rule(root, path, symbols, lists, domains)]
        if SCORE in roots:
            scorer = _scorer(roots[SCORE], symbols, lists, domains, binaries, to_be_tuned)
        if MODEL in roots and not to_be_tuned:
            base = None if currencies is None else currencies.base
            models = read_models(roots[MODEL], binaries, catalogue, scorer, base)
        faults.extend(fault for root in roots.values() for fault in root.faults)
        faults.extend(_repeated_ids(rules))
    if faults:
        raise RuleSetErrors(sorted(faults))
    assert catalogue is not None, "no catalogue, and no fault that says so"
    evaluated = [rule for rule in rules if rule.status != "retired"]
    return RuleSet(
        digest=_digest(
            catalogue, evaluated, models.champion or scorer, lists, binaries, models.challengers, currencies
        ),
        catalogue=catalogue,
        rules=tuple(evaluated),
        scorer=models.champion or scorer,
        retired=tuple(rule for rule in rules if rule.status == "retired"),
        lists=lists,
        files={path: texts[path] for path in (FEATURES, *paths) if path in texts},
        artefacts=binaries,
        challengers=models.challengers,
        currencies=currencies,
    )


def _is_compiled(path: str) -> bool:
    return path.endswith(".yaml") and not path.endswith(TEST_SUFFIX) and path != FEATURES


def _roots(texts: Mapping[str, str], paths: list[str], faults: list[Fault]) -> dict[str, Node]:
    """The documents of the files, by path; files that cannot be parsed add to `faults`. Raises `RuleSetErrors`."""
    if len(paths) > RULES_MAX:
        raise RuleSetErrors([Fault(paths[0], 1, 1, f"{len(paths)} files are too many: at most {RULES_MAX}.")])
    roots: dict[str, Node] = {}
    for path in paths:
        try:
            roots[path] = _read(texts[path], path)
        except DocumentErrors as errors:
            faults.extend(errors.faults)
    return roots


def _read(text: str, path: str) -> Node:
    if len(text) > RULE_CHARS_MAX:
        raise DocumentErrors([Fault(path, 1, 1, f"longer than {RULE_CHARS_MAX} characters. Split the file.")])
    return read_document(text, path)


def _catalogue(texts: Mapping[str, str], faults: list[Fault], accepted: bool) -> Catalogue | None:
    if FEATURES not in texts:
        faults.append(Fault(FEATURES, 1, 1, "there is no such file: the features that rules read are declared in it."))
        return None
    try:
        return parse_catalogue(texts[FEATURES], FEATURES, accepted=accepted)
    except DocumentErrors as errors:
        faults.extend(errors.faults)
        return None


def _rule(root: Node, path: str, symbols: Symbols, lists: ValueLists, domains: Domains | None) -> list[Rule]:
    """The rule of a file; none where the file is not a rule's or has a fault, which is added to the document's."""
    if path in (SCORE, LISTS, CURRENCIES, ARTEFACTS, MODEL):
        return []
    match = _RULE_PATH.fullmatch(path)
    if match is None:
        root.fault("a rule's file is <typology>/<name>.yaml, in small letters, digits and '_'. Move it.")
        return []
    rule = read_rule(root, match["name"], symbols, lists, domains)
    return [] if rule is None else [rule]


def _scorer(
    root: Node,
    symbols: Symbols,
    lists: ValueLists,
    domains: Domains | None,
    artefacts: Mapping[str, Artefact],
    to_be_tuned: bool,
) -> Scorer:
    kind = root.entry("kind")
    if kind is not None and kind.choice("kind", ("parts", "evidence")) == "evidence":
        return read_evidence_score(root, symbols, lists, domains, artefacts, to_be_tuned=to_be_tuned)
    return read_score(root, symbols, lists, domains)


def _repeated_ids(rules: list[Rule]) -> list[Fault]:
    first: dict[str, Rule] = {}
    return [
        Fault(rule.path, 1, 1, f"id {rule.rule_id} is also that of {first[rule.rule_id].path}. Give one a new id.")
        for rule in rules
        if first.setdefault(rule.rule_id, rule) is not rule
    ]


def _digest(
    catalogue: Catalogue,
    rules: list[Rule],
    scorer: Scorer,
    lists: ValueLists,
    artefacts: Mapping[str, Artefact],
    challengers: tuple[ModelScorer, ...],
    currencies: Currencies | None,
) -> str:
    """Digest of the compiled parts. Lists, artefacts, challengers and currencies count only where there are any, as
    older digests lack them."""
    parts = [catalogue, sorted(rules, key=lambda rule: rule.name), scorer.digest_content]
    if lists:
        parts.append(lists)
    if artefacts:
        parts.append(["artefacts", digests(artefacts.values())])  # a list, so no mapping of lists is equal to it
    if challengers:
        parts.append(["challengers", [challenger.digest for challenger in challengers]])
    if currencies is not None:
        parts.append(["currencies", currencies])
    canonical = json.dumps(_content(parts), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return blake2b(canonical.encode(), digest_size=8).hexdigest()


def _content(value: Any) -> Any:
    """A compiled part as plain data. An expression becomes its text, so layout and comments do not count."""
    if isinstance(value, Expression):
        return value.source
    if isinstance(value, Type):
        return value.name
    if isinstance(value, Mapping):
        return {key: _content(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_content(item) for item in value]
    if is_dataclass(value):
        content = {f.name: _content(getattr(value, f.name)) for f in fields(value) if f.name not in _NOT_IN_DIGEST}
        return _as_before(content)
    assert value is None or isinstance(value, (str, int, float)), f"{type(value).__name__} has no canonical form"
    return value


def _as_before(content: dict[str, Any]) -> dict[str, Any]:
    """Without what older rule sets could not declare, where it is not declared: their digests stay what they were."""
    if isinstance(key := content.get("key"), list) and len(key) == 1:
        content["key"] = key[0]
    return {name: value for name, value in content.items() if value or name not in _COUNTED_WHERE_DECLARED}
