"""`fraudstream model`: import a model that was trained elsewhere, export one as ONNX, show its card."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.failure import Failure
from fraudstream.cli.model_files import write_model
from fraudstream.cli.settings import Settings
from fraudstream.cli.training_flags import names_of
from fraudstream.contracts.error_text import system_error_text

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.engine.trees.model import Model


def add_parser(subparsers: Subparsers) -> None:
    """Add `model` with its actions."""
    parser = subparsers.add_parser(
        "model",
        help="import models trained elsewhere, export them, show their cards",
        description="Models as artefacts of a rule set: docs/models.md.",
        epilog=(
            "examples:\n  fraudstream model import booster.txt --rules rules --out trained --threshold 0.3\n"
            "  fraudstream model export trained/artefacts/3f0c… --out model.onnx\n"
            "  fraudstream model show trained/artefacts/3f0c…"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    importing = actions.add_parser(
        "import",
        help="make an artefact of a LightGBM text file or an XGBoost JSON file",
        description="Compares the model with its library on drawn rows. Money is in major units, durations in ms.",
    )
    importing.add_argument("file", metavar="FILE", type=Path, help="LightGBM: save_model; XGBoost: save_model as .json")
    importing.add_argument("--rules", metavar="DIR", type=Path, help="directory of rules (setting rules.directory)")
    importing.add_argument("--out", metavar="DIR", type=Path, required=True, help="directory to write to")
    importing.add_argument("--name", default="trees", help="name of the artefact (default: trees)")
    importing.add_argument(
        "--threshold", metavar="P", type=float, default=0.5, help="probability from which to alert (default: 0.5)"
    )
    importing.add_argument(
        "--inputs", metavar="NAMES", default="",
        help="names of the rules for the model's features in order, with commas (default: the model's own names)",
    )  # fmt: skip
    exporting = actions.add_parser("export", help="write a model as ONNX, with the operator TreeEnsemble in doubles")
    exporting.add_argument("file", metavar="ARTEFACT", type=Path)
    exporting.add_argument("--out", metavar="FILE", type=Path, required=True, help="the ONNX file to write")
    showing = actions.add_parser("show", help="print the card of a model")
    showing.add_argument("file", metavar="ARTEFACT", type=Path)
    showing.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run an action. Raises `Failure`."""
    from fraudstream.learning.errors import LearningError

    action = {"import": _import, "export": _export, "show": _show}[args.action]
    try:
        return action(args, settings)
    except LearningError as error:
        raise Failure(f"{args.file}: {error.sentence}") from error


def _import(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.engine.trees.calibration import MILLION
    from fraudstream.learning.checked_import import import_model

    millionths = round(args.threshold * MILLION)
    if not 0 < millionths <= MILLION:
        raise Failure(f"--threshold {args.threshold:g} must be above 0 and at most 1.")
    rule_set = load_rule_set(args.rules or Path(settings.rules.directory))
    model = import_model(_content(args.file), rule_set, names_of(args.inputs), millionths)
    written = write_model(model, args.out, args.name)
    training = model.card["training"]
    print(
        f"{training['kind']}: {training['trees']:,} trees, {len(model.inputs)} inputs; on drawn rows at most "
        f"{training['greatest_difference_from_library']:g} from the library."
    )
    print(written.how_to_use)
    return 0


def _export(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.learning.onnx_export import INPUT, OUTPUT, onnx_bytes

    model = _model(args.file)
    content = onnx_bytes(model)
    try:
        args.out.write_bytes(content)
    except OSError as error:
        raise Failure(f"{args.out} can't be written: {system_error_text(error)}.") from error
    print(f"Written {args.out}: '{INPUT}' (double, {len(model.inputs)} columns) to '{OUTPUT}', the sum of the trees.")
    return 0


def _show(args: argparse.Namespace, settings: Settings) -> int:
    from fraudstream.contracts.artefact import artefact_digest
    from fraudstream.learning.card import card_text

    content, model = _content(args.file), _model(args.file)
    digest = artefact_digest(content)
    if args.json:
        print(json.dumps({"digest": digest, **model.card}, indent=2))
    else:
        sys.stdout.write(card_text(args.file.name[:12], digest, model.card))
    return 0


def _model(path: Path) -> Model:
    from fraudstream.engine.trees.model import ModelError, read_model

    try:
        return read_model(_content(path))
    except ModelError as error:
        raise Failure(f"{path}: {error}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path} can't be read: {system_error_text(error)}.") from error
