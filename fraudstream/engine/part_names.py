"""The name of a part of a score."""

from __future__ import annotations

from fraudstream.engine.document import Node


def read_part_name(node: Node) -> str:
    """The name; one that is not a word of letters, digits and '_' is a fault."""
    name = node.word("part")
    if not name.isidentifier() or len(name) > 64:
        node.fault("a part's name is one word of letters, digits and '_', at most 64 characters.")
    return name
