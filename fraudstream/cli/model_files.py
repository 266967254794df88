"""Writing a model as an artefact: `artefacts/DIGEST`, and its card as JSON and as Markdown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fraudstream.cli.failure import Failure
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.engine.trees.model import Model

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Written(NamedTuple):
    """A model that was written. `how_to_use`: what to write into the rules directory, for a person."""

    digest: str
    card_json: str
    how_to_use: str


def write_model(model: Model, out: Path, name: str) -> Written:
    """Write a model below `out`. Raises `Failure`."""
    from fraudstream.contracts.artefact import artefact_digest
    from fraudstream.engine.artefacts import ARTEFACT_BYTES_MAX, ARTEFACTS_DIRECTORY
    from fraudstream.engine.trees.model import encode_model
    from fraudstream.learning.card import card_text

    if not _NAME.fullmatch(name):
        raise Failure(f"--name {name}: small letters, digits and '_', beginning with a letter.")
    content = encode_model(model)
    if len(content) > ARTEFACT_BYTES_MAX:
        raise Failure(f"the model has {len(content):,} bytes, more than an artefact may have. Use fewer --trees.")
    digest = artefact_digest(content)
    card = json.dumps({"name": name, "digest": digest, **model.card}, indent=2) + "\n"
    try:
        (out / ARTEFACTS_DIRECTORY).mkdir(parents=True, exist_ok=True)
        (out / ARTEFACTS_DIRECTORY / digest).write_bytes(content)
        (out / f"{name}.card.json").write_text(card, encoding="utf-8")
        (out / f"{name}.card.md").write_text(card_text(name, digest, model.card), encoding="utf-8")
    except OSError as error:
        raise Failure(f"the model can't be written to {out}: {system_error_text(error)}.") from error
    how_to_use = (
        f"Written to {out}: {ARTEFACTS_DIRECTORY}/{digest}, {name}.card.md, {name}.card.json. To use it, copy the "
        f"artefact into your rules' {ARTEFACTS_DIRECTORY}/ and write\n"
        f"  artefacts.yaml   artefacts: {{{name}: {{digest: {digest}}}}}\n"
        f"  model.yaml       challengers: [{name}]     # or champion: {name}"
    )
    return Written(digest, card, how_to_use)
