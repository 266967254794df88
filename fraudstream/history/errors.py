"""The error of the history store."""

from __future__ import annotations


class HistoryError(Exception):
    """The store cannot be used. `sentence`: what is wrong, where, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
