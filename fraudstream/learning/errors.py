"""What can go wrong in training, importing and exporting a model: one sentence that says what to do."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class LearningError(Exception):
    """`sentence`: what went wrong and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def library(name: str) -> Any:
    """An optional library. Raises `LearningError` with the command that installs it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise LearningError(
            f"{name.partition('.')[0]} can't be imported ({error}). Install it: pip install 'fraudstream[learning]'."
        ) from error
