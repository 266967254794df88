"""A fault of the user's or of the world's that ends a command: one plain sentence on stderr, exit code 1 unless
the command has codes of its own."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class Failure(Exception):
    """`sentence` says what was wrong, where, and what to do about it."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, else all of them.

    >>> nearest("bootstrap_server", ["bootstrap_servers", "url"])
    "Nearest: 'bootstrap_servers'."
    >>> nearest("zzz", ["b", "a"])
    'Known: a, b.'
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f"Nearest: '{close[0]}'." if close else f"Known: {', '.join(names)}."
