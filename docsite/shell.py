"""The shell commands that a page shows: of its blocks without a language, and of those of shells."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final, NamedTuple

from docsite.markdown import CodeBlock, code_blocks

SHELLS: Final = ("", "bash", "console", "sh", "text")
_OPTIONAL: Final = re.compile(r"\[(-[^\]]*)\]")  # as in `add NAME [--role ROLE]`
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


class ShellCommand(NamedTuple):
    """A simple command: its words without assignments before it and without redirections; the number of its line."""

    words: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        return " ".join(self.words)


def page_commands(text: str) -> Iterator[ShellCommand]:
    """The commands of a page's blocks, in order, and whatever else such blocks hold, such as output."""
    for block in code_blocks(text):
        if block.language in SHELLS:
            yield from block_commands(block)


def block_commands(block: CodeBlock) -> Iterator[ShellCommand]:
    """The commands of one block. A line with an open quote is no command."""
    lines = block.text.split("\n")
    at = 0
    while at < len(lines):
        first, text = at, lines[at]
        while text.endswith("\\") and at + 1 < len(lines):
            at += 1
            text = text[:-1] + lines[at]
        at += 1
        yield from line_commands(text, block.line + first)


def line_commands(text: str, line: int) -> Iterator[ShellCommand]:
    """The commands of one line: parts of a pipe, a list or a substitution each."""
    lexer = shlex.shlex(_OPTIONAL.sub(r"\1", text.removeprefix("$ ")), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:
        return
    words: list[str] = []
    is_target = False
    for token in [*tokens, ";"]:
        if set(token) <= set("<>&") and set(token) & set("<>"):
            if words and words[-1].isdigit():  # the file descriptor of `2>`
                words.pop()
            is_target = True
        elif set(token) <= set("();|&\n"):
            if words:
                yield ShellCommand(tuple(words), line)
            words = []
        elif is_target:
            is_target = False
        elif words or not _ASSIGNMENT.match(token) or token.endswith("=$"):
            words += [] if token.endswith("=$") else [token]
