"""Which known name a misspelt one was probably meant to be, for the end of an error message."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

SIMILARITY_MIN: Final = 0.5  # of difflib, 0 to 1
COMPARED_CHARACTERS_MAX: Final = 128  # a longer name is compared by its beginning: difflib's cost is quadratic


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, else the first one with the same last part after a dot, else None.

    >>> nearest_name("dirction", ["direction", "kind"]), nearest_name("x.mean", ["amount", "account.total.mean"])
    ('direction', 'account.total.mean')
    >>> nearest_name("zzz", ["direction", "kind"]) is None
    True
    """
    names = sorted(known)
    if close := get_close_matches(name[:COMPARED_CHARACTERS_MAX], names, n=1, cutoff=SIMILARITY_MIN):
        return close[0]
    last_part = name.rpartition(".")[2]
    return next((known_name for known_name in names if known_name.rpartition(".")[2] == last_part), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """` Nearest: 'x'.` for the known name most like `name`, to end a sentence with; empty if none is like it.

    >>> nearest("dirction", ["direction", "kind"])
    " Nearest: 'direction'."
    """
    found = nearest_name(name, known)
    return f" Nearest: '{found}'." if found is not None else ""


def nearest_or_all(name: str, known: Iterable[str]) -> str:
    """The same without the leading space; where no name is like it, all of them.

    >>> nearest_or_all("bootstrap_server", ["bootstrap_servers", "url"])
    "Nearest: 'bootstrap_servers'."
    >>> nearest_or_all("zzz", ["b", "a"])
    'Known: a, b.'
    """
    names = sorted(known)
    return nearest(name, names).lstrip() or f"Known: {', '.join(names)}."
