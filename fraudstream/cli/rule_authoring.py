"""`fraudstream rules new` and `rules reference`: a new rule to edit, and the reference of the rule language."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from uuid import uuid4

from fraudstream.cli.failure import Failure
from fraudstream.cli.rule_files import feature_names
from fraudstream.contracts.error_text import system_error_text


def new(args: argparse.Namespace, directory: Path) -> int:
    """Write a new rule and its cases into the directory. Raises `Failure`, `OperationError`."""
    from fraudstream.operations.new_rule import new_rule

    features = feature_names(directory)
    files = {directory / path: text for path, text in new_rule(args.name, str(uuid4()), features).items()}
    for path in files:
        if path.exists():
            raise Failure(f"{path} exists already. Choose another name, or remove it.")
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{error.filename} cannot be written: {system_error_text(error)}.") from error
    for path in files:
        print(path)
    where = "" if directory == Path("rules") else f" --rules {directory}"
    print(f"Edit them, then: fraudstream rules check{where} && fraudstream rules test{where}")
    return 0


def reference() -> int:
    """Print the reference of features.yaml, the functions and the fields."""
    from fraudstream.engine.reference import reference as text

    sys.stdout.write(text())
    return 0
