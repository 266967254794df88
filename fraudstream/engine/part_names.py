"""The names of a score's parts: what a name looks like, and that no two parts share one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from fraudstream.engine.document import Node


class NamedPart(Protocol):
    """A part of a score of any kind."""

    @property
    def name(self) -> str:
        """Unique among the parts of its score."""


NamedPartT = TypeVar("NamedPartT", bound=NamedPart)


def read_part_name(node: Node) -> str:
    """The name; one that is not a word of letters, digits and '_' is a fault."""
    name = node.word("part")
    if not name.isidentifier() or len(name) > 64:
        node.fault("a part's name is one word of letters, digits and '_', at most 64 characters.")
    return name


def read_parts(nodes: Sequence[Node], read_part: Callable[[Node], NamedPartT | None]) -> list[NamedPartT]:
    """The parts at `nodes`, without those for which `read_part` gives None; a fault at each whose name is taken."""
    parts: list[NamedPartT] = []
    for node in nodes:
        part = read_part(node)
        if part is None:
            continue
        if any(part.name == other.name for other in parts):
            node.fault(f"there is another part '{part.name}' above.")
        parts.append(part)
    return parts
