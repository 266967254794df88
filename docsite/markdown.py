"""What a Markdown file of this repository holds: its links and its code blocks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_FENCE: Final = re.compile(r"^( *)(```+)[ ]*([\w-]*)[^\n]*\n(.*?)^\1\2[ ]*$", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"```.*?^ *```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"(?<=\]\()([^)\s]+)(?=[)\s])")


class CodeBlock(NamedTuple):
    """A fenced block: its language as written, maybe empty; its text; the number of the text's first line."""

    language: str
    text: str
    line: int


def code_blocks(text: str) -> Iterator[CodeBlock]:
    """The fenced blocks, in order."""
    for found in _FENCE.finditer(text):
        indent, body = found[1], found[4]
        lines = (line.removeprefix(indent) for line in body.splitlines(keepends=True))
        yield CodeBlock(found[3], "".join(lines), text.count("\n", 0, found.start(4)) + 1)


def links(text: str) -> list[str]:
    """The targets of links and images, in order, without those in code."""
    return _LINK.findall(_CODE.sub("", text))


def with_links(text: str, change: Callable[[str], str]) -> str:
    """The text with each target of a link replaced; code stays as it is."""
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_LINK.sub(lambda link: change(link[1]), text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(lambda link: change(link[1]), text[end:])])


def is_local(target: str) -> bool:
    """Whether a link's target is a file of the repository, not an address or a place in the same page."""
    return not re.match(r"[a-z][a-z0-9+.-]*:|#|//", target)
