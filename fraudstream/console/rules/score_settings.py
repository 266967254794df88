"""The settings of scores and models that can be changed without editing text: thresholds, and which model decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from fraudstream.console.rules.changes import MODEL_FILE, SCORE_FILE
from fraudstream.console.rules.drafts import Draft
from fraudstream.engine.document import read_document
from fraudstream.engine.rule_set import SCORE, RuleSet
from fraudstream.engine.trees.declaration import MODEL
from fraudstream.engine.trees.model import ModelError, read_model
from fraudstream.engine.trees.scorer import ModelScorer

# Keys of score.yaml that say from which score on a payment is alerted; it has one of them.
LIMITS: Final = ("threshold", "alerts_per_day", "precision_floor")


class ScoreLimit(NamedTuple):
    """The key of `score.yaml` that says from which score on a payment is alerted, and its value as written."""

    key: str
    value: str


class ModelRoles(NamedTuple):
    """What `model.yaml` says. `champion`: name of the model that decides; empty: the rule set's own score does.
    `threshold`: of the champion, as a decimal; empty: the model's own. `available`: models that the rule set has."""

    champion: str
    threshold: str
    challengers: tuple[str, ...]
    available: tuple[str, ...]


def score_limit(rule_set: RuleSet) -> ScoreLimit | None:
    """What `score.yaml` says; None if there is no such file, or it says nothing."""
    text = rule_set.files.get(SCORE)
    root = None if text is None else read_document(text, SCORE)
    for key in LIMITS if root is not None else ():
        if root is not None and (node := root.entry(key)) is not None and node.is_word:
            return ScoreLimit(key, node.word(key))
    return None


def with_limit(rule_set: RuleSet, value: str) -> Draft | None:
    """`score.yaml` with another limit; None if it has none. Blank space and control characters are refused with
    `ValueError`, so that a value is one word of the file."""
    limit, text = score_limit(rule_set), rule_set.files.get(SCORE)
    if limit is None or text is None:
        return None
    node = read_document(text, SCORE).entry(limit.key)
    assert node is not None, "the limit was read from it"
    return Draft(SCORE_FILE, node.replaced(_number(value)), "", rule_set.digest)


def model_roles(rule_set: RuleSet) -> ModelRoles:
    """What `model.yaml` says, and which models there are. Blocks while models that have no part are read."""
    deciding = rule_set.scorer
    champion = deciding.name if isinstance(deciding, ModelScorer) else ""
    challengers = tuple(model.name for model in rule_set.challengers)
    text = rule_set.files.get(MODEL)
    node = None if text is None else read_document(text, MODEL).entry("threshold")
    known = {champion, *challengers} - {""}
    available = tuple(name for name in sorted(rule_set.artefacts) if name in known or _is_model(rule_set, name))
    return ModelRoles(champion, "" if node is None else node.word("threshold"), challengers, available)


def with_roles(rule_set: RuleSet, champion: str, threshold: str, challengers: Sequence[str]) -> Draft:
    """`model.yaml` with these roles. Raises `ValueError` for a name that is not an artefact of the rule set, or a
    threshold that is no number."""
    for name in (*challengers, *([champion] if champion else [])):
        if name not in rule_set.artefacts:
            raise ValueError(name[:40])
    lines = []
    if champion:
        lines.append(f"champion: {champion}")
        lines += [f"threshold: {_number(threshold)}"] if threshold.strip() else []
    shadow = [name for name in dict.fromkeys(challengers) if name != champion]
    lines.append(f"challengers: [{', '.join(shadow)}]")
    return Draft(MODEL_FILE, "\n".join(lines) + "\n", "", rule_set.digest)


def _is_model(rule_set: RuleSet, name: str) -> bool:
    try:
        read_model(rule_set.artefacts[name].content)
    except ModelError:
        return False
    return True


def _number(text: str) -> str:
    """The text, if it is a finite number in plain digits. Raises `ValueError`."""
    word = text.strip()
    if not word or len(word) > 20 or not set(word) <= set("0123456789._"):
        raise ValueError(word[:40])
    float(word)
    return word
