"""A fault in a file a person wrote: what is wrong, where, and the line with a caret under it."""

from __future__ import annotations

from typing import NamedTuple

from fraudstream.engine.expression.types import Origin

_LINE_CHARS_SHOWN_MAX = 200


class Fault(NamedTuple):
    """One thing wrong. `line` and `column` count from 1; `excerpt`: that line; `caret`: column in it, from 0."""

    path: str
    line: int
    column: int
    sentence: str
    excerpt: str = ""
    caret: int = 0

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}: {self.sentence}"
        if not self.excerpt:
            return where
        return f"{where}\n    {self.excerpt}\n    {' ' * self.caret}^"


class ExpressionError(ValueError):
    """An expression that can't be compiled. The facts of the first fault are attributes too; `faults`: all of them."""

    def __init__(self, fault: Fault, *others: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.faults = (fault, *others)
        self.path = fault.path
        self.line = fault.line
        self.column = fault.column
        self.sentence = fault.sentence


def fault_at(source: str, offset: int, origin: Origin, sentence: str) -> Fault:
    """The fault at `offset` of `source`, a text that begins at `origin` in its file; its other lines at column 1."""
    offset = min(offset, len(source))
    start = source.rfind("\n", 0, offset) + 1
    end = source.find("\n", offset)
    line_text = source[start : end if end >= 0 else len(source)]
    column = offset - start
    # Tabs and control characters would push the caret aside; a line of any length must not flood a terminal.
    shown_from = max(0, column - _LINE_CHARS_SHOWN_MAX // 2)
    excerpt = "".join(c if c.isprintable() else " " for c in line_text[shown_from : shown_from + _LINE_CHARS_SHOWN_MAX])
    indent = len(excerpt) - len(excerpt.lstrip())
    return Fault(
        path=origin.path,
        line=origin.line + source.count("\n", 0, start),
        column=column + (origin.column if start == 0 else 1),
        sentence=sentence,
        excerpt=excerpt.strip(),
        caret=max(0, column - shown_from - indent),
    )
