"""YAML documents with the position of every node, so that a fault can be shown at its line and column.

Size and depth are bounded. Tags, anchors and aliases are refused, so no document expands or creates objects. Keys may
not repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.expression.fault import Fault, fault_at
from fraudstream.engine.expression.types import Origin

DOCUMENT_CHARS_MAX = 1 << 20
DEPTH_MAX = 12


class DocumentErrors(ValueError):
    """Everything wrong with one or more documents; `faults` has each with its file, line and column."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class Node:
    """A scalar, a sequence or a mapping of a document. Faults are collected in `faults`, and reading continues."""

    def __init__(self, node: Any, path: str, text: str, faults: list[Fault]) -> None:
        self._node, self.path, self.text, self.faults = node, path, text, faults

    @property
    def origin(self) -> Origin:
        """Where the node's text begins; of a quoted scalar, after the quote."""
        mark = self._node.start_mark
        quoted = isinstance(self._node, yaml.ScalarNode) and self._node.style in ("'", '"')
        return Origin(self.path, mark.line + 1, mark.column + 1 + quoted)

    @property
    def source(self) -> tuple[str, Origin]:
        """A scalar's text as written in the file, with line breaks, and where it begins: to point at faults."""
        word = str(self._node.value)
        raw = self.text[self._node.start_mark.index : self._node.end_mark.index].rstrip()
        origin = self.origin
        if self._node.style in ("|", ">"):
            raw = raw.partition("\n")[2]
            origin = Origin(self.path, origin.line + 1, 1)
        elif self._node.style is not None:
            raw = raw[1:-1]
        return (raw, origin) if raw.split() == word.split() else (word, self.origin)

    @property
    def is_word(self) -> bool:
        """Whether the node is a scalar."""
        return isinstance(self._node, yaml.ScalarNode)

    def fault(self, sentence: str) -> None:
        """Add a fault at this node."""
        self.faults.append(fault_at(self.text, self._node.start_mark.index, Origin(self.path), sentence))

    def word(self, what: str) -> str:
        """The scalar as text; '' and a fault if the node is not a scalar. `what`: names the node in the fault."""
        if not isinstance(self._node, yaml.ScalarNode):
            self.fault(
                f"{what} must be a single value, not a "
                f"{'mapping' if isinstance(self._node, yaml.MappingNode) else 'list'}."
            )
            return ""
        return str(self._node.value)

    def replaced(self, word: str) -> str:
        """The text of the document with another plain word in place of this scalar; all else stays as it is.

        >>> read_document("threshold: 0.27  # tuned", "score.yaml").entry("threshold").replaced("0.3")
        'threshold: 0.3  # tuned'
        """
        begin, end = self._node.start_mark.index, self._node.end_mark.index
        kept = self.text[begin:end]
        return f"{self.text[:begin]}{word}{kept[len(kept.rstrip()) :]}{self.text[end:]}"

    def items(self, what: str) -> list[Node]:
        """The items of a sequence; none and a fault if the node is not a sequence."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.fault(f"{what} must be a list: [a, b].")
            return []
        return [Node(item, self.path, self.text, self.faults) for item in self._node.value]

    def entries(self, what: str, known: Sequence[str] | None = None, required: Sequence[str] = ()) -> dict[str, Node]:
        """The mapping's entries by key, in order. Keys outside `known`, missing and repeated ones are faults."""
        if not isinstance(self._node, yaml.MappingNode):
            self.fault(f"{what} must be a mapping of keys to values.")
            return {}
        found: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in self._node.value:
            key = Node(key_node, self.path, self.text, self.faults)
            name = key.word(f"a key of {what}")
            if known is not None and name not in known:
                key.fault(f"{what} has no key '{name}'.{nearest(name, known)} Known: {', '.join(known)}.")
            elif name in found:
                first = lines[name]
                key.fault(f"{what} has the key '{name}' twice: here and on line {first}. Remove one.")
            else:
                found[name] = Node(value_node, self.path, self.text, self.faults)
                lines[name] = key.origin.line
        for name in required:
            if name not in found:
                self.fault(f"{what} lacks the key '{name}'. Add it.")
        return found

    def entry(self, name: str) -> Node | None:
        """The first entry of a mapping with this key, if there is one; no faults are added."""
        if not isinstance(self._node, yaml.MappingNode):
            return None
        for key, value in self._node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == name:
                return Node(value, self.path, self.text, self.faults)
        return None

    def content(self, what: str, typed: bool = False) -> Any:
        """The node with all below it as dictionaries, lists and texts. Repeated keys are faults.

        `typed`: whether scalars become numbers, booleans and None as YAML reads them, and not texts.
        """
        if isinstance(self._node, yaml.MappingNode):
            return {name: node.content(name, typed) for name, node in self.entries(what).items()}
        if isinstance(self._node, yaml.SequenceNode):
            return [item.content(f"an item of {what}", typed) for item in self.items(what)]
        return yaml.SafeLoader("").construct_object(self._node) if typed else str(self._node.value)

    def number(self, what: str) -> float:
        """A finite number; 0.0 and a fault if the node is not one."""
        text = self.word(what)
        try:
            value = float(text.replace("_", ""))
        except ValueError:
            value = float("nan")
        if value != value or value in (float("inf"), float("-inf")):
            self.fault(f"{what} must be a number, not '{text[:40]}'.")
            return 0.0
        return value

    def choice(self, what: str, choices: Sequence[str]) -> str:
        """One of `choices`; the first of them and a fault if the node is not one of them."""
        text = self.word(what)
        if text not in choices:
            self.fault(f"{what} can't be '{text[:40]}'.{nearest(text, choices)} Choose from: {', '.join(choices)}.")
            return choices[0]
        return text


def read_document(text: str, path: str) -> Node:
    """The root node of a document. Raises `DocumentErrors` if the text is not YAML of this kind."""
    if len(text) > DOCUMENT_CHARS_MAX:
        raise DocumentErrors([Fault(path, 1, 1, f"longer than {DOCUMENT_CHARS_MAX} characters. Split the file.")])
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            anchored = isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None
            tagged = getattr(event, "tag", None) is not None
            if depth > DEPTH_MAX or anchored or tagged:
                what = (
                    "anchors, aliases and tags are not supported"
                    if anchored or tagged
                    else f"nested deeper than {DEPTH_MAX}"
                )
                raise DocumentErrors(
                    [
                        fault_at(
                            text,
                            int(getattr(event.start_mark, "index", 0)),
                            Origin(path),
                            f"{what}. Write it out without them.",
                        )
                    ]
                )
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        offset = int(getattr(mark, "index", 0))
        hint = " An expression with a comma between braces needs quotes around it: where: '…'." * (
            error.problem is not None and error.problem.startswith("expected ','")
        )
        sentence = f"not valid YAML: {error.problem or error.context}.{hint}"
        raise DocumentErrors([fault_at(text, offset, Origin(path), sentence)]) from None
    except yaml.YAMLError as error:
        raise DocumentErrors([Fault(path, 1, 1, f"not valid YAML: {str(error).splitlines()[0]}.")]) from None
    if root is None:
        raise DocumentErrors([Fault(path, 1, 1, "the file is empty.")])
    return Node(root, path, text, [])


def read_content(text: str, path: str, typed: bool = False) -> Any:
    """A whole document as `Node.content` gives it. Raises `DocumentErrors`, also for repeated keys."""
    root = read_document(text, path)
    content = root.content("the file", typed)
    if root.faults:
        raise DocumentErrors(root.faults)
    return content
