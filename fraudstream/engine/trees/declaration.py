"""`model.yaml`: which models of a rule set decide, and which are tried beside it.

champion: trees_2026q2           # a name of artefacts.yaml; without it score.yaml decides
threshold: 0.35                  # in place of the model's own
challengers: [trees_2026q3]      # score every payment; recorded, never acted on
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from fraudstream.contracts.nearest_name import nearest_or_all
from fraudstream.engine.artefacts import ARTEFACTS, Artefact
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.document import Node
from fraudstream.engine.scorer import Scorer
from fraudstream.engine.trees.calibration import MILLION
from fraudstream.engine.trees.inputs import SCORE, difference
from fraudstream.engine.trees.model import Model, ModelError, read_model
from fraudstream.engine.trees.scorer import ModelScorer

MODEL = "model.yaml"
CHALLENGERS_MAX: Final = 8

_DIFFERENCES_SHOWN: Final = 5


class Models(NamedTuple):
    """The models of a rule set. `champion`: decides; None: the rule set's own score does."""

    champion: ModelScorer | None = None
    challengers: tuple[ModelScorer, ...] = ()


def read_models(
    root: Node,
    artefacts: Mapping[str, Artefact],
    catalogue: Catalogue,
    score: Scorer,
    base: str | None = None,
) -> Models:
    """The models that a document names; faults are added to the document's.

    `artefacts`: of the rule set, by name. `score`: its own score, which models may read. `base`: the currency to which
    it converts amounts; None if it does not.
    """
    entries = root.entries("the models", ("champion", "threshold", "challengers"))
    threshold = _threshold(entries["threshold"]) if "threshold" in entries else None
    if threshold is not None and "champion" not in entries:
        entries["threshold"].fault("a threshold needs a champion. Name one, or set the threshold in score.yaml.")
    champion = None
    if "champion" in entries:
        champion = _scorer(entries["champion"], threshold, artefacts, catalogue, score, base)
    nodes = entries["challengers"].items("challengers") if "challengers" in entries else []
    if len(nodes) > CHALLENGERS_MAX:
        root.fault(f"{len(nodes)} challengers are too many: at most {CHALLENGERS_MAX}.")
    challengers: list[ModelScorer] = []
    for node in nodes[:CHALLENGERS_MAX]:
        found = _scorer(node, None, artefacts, catalogue, score, base)
        if found is None:
            continue
        if any(found.name == other.name for other in (champion, *challengers) if other is not None):
            node.fault(f"'{found.name}' is named twice.")
        challengers.append(found)
    return Models(champion, tuple(challengers))


def _scorer(
    node: Node,
    threshold: int | None,
    artefacts: Mapping[str, Artefact],
    catalogue: Catalogue,
    score: Scorer,
    base: str | None,
) -> ModelScorer | None:
    """The model that a node names, if it is one and reads what the catalogue has."""
    name = node.word("a model")
    if name == SCORE:
        node.fault(f"a model can't be named '{SCORE}', which is the rule set's own score. Rename the artefact.")
        return None
    if name not in artefacts:
        node.fault(f"{ARTEFACTS} has no sound artefact '{name}'. {nearest_or_all(name, artefacts)}")
        return None
    artefact = artefacts[name]
    try:
        model = read_model(artefact.content)
    except ModelError as error:
        node.fault(f"artefact '{name}' is {error}")
        return None
    if faults := mismatches(model, catalogue, score, base):
        more = f" And {len(faults) - _DIFFERENCES_SHOWN} more." if len(faults) > _DIFFERENCES_SHOWN else ""
        node.fault(
            f"model '{name}' was trained on other features: {' '.join(faults[:_DIFFERENCES_SHOWN])}{more} "
            "Restore them, or train a model on these rules."
        )
        return None
    return ModelScorer(name, artefact.digest, model, score, threshold or model.threshold_millionths)


def mismatches(model: Model, catalogue: Catalogue, score: Scorer, base: str | None = None) -> list[str]:
    """How the inputs of a model differ from what a rule set computes, a sentence each; empty if they agree."""
    found = (difference(given, catalogue, score, base) for given in model.inputs)
    return [sentence for sentence in found if sentence is not None]


def _threshold(node: Node) -> int:
    """A number in (0, 1] with at most six decimals, in millionths; the highest and a fault if it is not one."""
    text = node.word("threshold")
    try:
        millionths = Decimal(text) * MILLION
    except ArithmeticError:
        millionths = Decimal(0)
    if not (millionths.is_finite() and 0 < millionths <= MILLION and millionths == millionths.to_integral_value()):
        node.fault(f"threshold must be a number above 0, at most 1, with at most six decimals, not '{text[:40]}'.")
        return MILLION
    return int(millionths)
