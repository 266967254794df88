"""The message of a rule in an alert: a template with names in braces, checked when the rule is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.document import Node
from fraudstream.engine.expression import Symbols, Type, fault_at

MESSAGE_CHARS_MAX = 400

_TEMPLATES_MAX = 4096  # that are kept prepared

_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Message:
    """`template` as written; `fields`: the names in its braces, in order, with their types."""

    template: str
    fields: Mapping[str, Type]

    def filled(self, value_of: Callable[[str, Type], str]) -> str:
        """The message, with each name in braces replaced by `value_of(name, type)`."""
        text, names = _prepared(self.template)
        return text % tuple([value_of(name, self.fields[name]) for name in names])


@lru_cache(_TEMPLATES_MAX)
def _prepared(template: str) -> tuple[str, tuple[str, ...]]:
    """The template for the operator %, and the names in its braces, in order."""
    pieces = _BRACES.split(template.replace("%", "%%"))
    return "%s".join(pieces[::2]), tuple(pieces[1::2])


def read_message(node: Node, symbols: Symbols) -> Message:
    """The template of a document's node. Faults are added to the document's."""
    template = " ".join(node.word("message").split())
    source, origin = node.source
    if len(template) > MESSAGE_CHARS_MAX:
        node.fault(f"message has {len(template)} characters, at most {MESSAGE_CHARS_MAX} are kept. Shorten it.")
    fields: dict[str, Type] = {}
    for match in _BRACES.finditer(source):
        name = match.group(1)
        if name not in symbols:
            sentence = f"message names an unknown field or feature '{name}'.{nearest(name, symbols)}"
            node.faults.append(fault_at(source, match.start(1), origin, sentence))
        else:
            fields[name] = symbols[name]
    stray = re.search(r"[{}]", _BRACES.sub(lambda match: " " * len(match.group()), source))
    if stray is not None:
        sentence = "message has an unmatched brace: write names between '{' and '}'."
        node.faults.append(fault_at(source, stray.start(), origin, sentence))
    return Message(template, fields)
