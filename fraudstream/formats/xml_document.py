"""Reads XML without the parts of it that are dangerous: a document type is refused where it begins, so there are no
entities, nothing is fetched, and nothing grows. Depth, elements and attributes are bounded.

Names are local names: the versions of a message of ISO 20022 differ in their namespace, and share the element names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NoReturn
from xml.parsers import expat

from fraudstream.formats.message import MessageError

DEPTH_MAX: Final = 64
ELEMENTS_MAX: Final = 250_000  # that are held at once: a transaction is let go once it is read
ATTRIBUTES_MAX: Final = 64
NAME_CHARS_SHOWN: Final = 64
_BUFFER_BYTES: Final = 64 * 1024
_SEPARATOR: Final = " "  # between namespace and name; a name has no blank


class XmlElement:
    """An element. `number`: its position among the elements of its name in `parent`, from 1. `children`: by name, so
    that no path costs a walk over all siblings. `text`: without blanks around it. `namespace`: '' where there is none.
    """

    __slots__ = ("attributes", "children", "name", "namespace", "number", "parent", "text")

    def __init__(self, name: str, namespace: str, attributes: dict[str, str], parent: XmlElement | None) -> None:
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
        self.parent = parent
        self.children: dict[str, list[XmlElement]] = {}
        self.text = ""
        self.number = 1
        if parent is not None:
            siblings = parent.children.setdefault(name, [])
            self.number = siblings[-1].number + 1 if siblings else 1
            siblings.append(self)

    def named(self, name: str) -> list[XmlElement]:
        """The elements of this name in it, in order."""
        return self.children.get(name, [])

    def let_go(self) -> None:
        """Forget what is in it: it has been read."""
        self.children = {}

    def path(self) -> str:
        """Its XPath; a number where it is not the first of its name.

        >>> document = XmlElement("Document", "", {}, None)
        >>> XmlElement("Tx", "", {}, document).path(), XmlElement("Tx", "", {}, document).path()
        ('/Document/Tx', '/Document/Tx[2]')
        """
        number = f"[{self.number}]" if self.number > 1 else ""
        above = "" if self.parent is None else self.parent.path()
        return f"{above}/{self.name[:NAME_CHARS_SHOWN]}{number}"


OnEnd = Callable[[XmlElement], bool]  # whether the element is read, and is let go


def read_xml(chunks: Iterable[bytes], watched: str, on_end: OnEnd) -> XmlElement:
    """The root of a document. `on_end` is called with each element named `watched` at its end.

    Raises `MessageError` for what is not well-formed XML, has a document type or exceeds the bounds.
    """
    return _Reader(watched, on_end).read(chunks)


class _Reader:
    """Builds the tree from the calls of expat."""

    def __init__(self, watched: str, on_end: OnEnd) -> None:
        self._watched, self._on_end = watched, on_end
        self._root: XmlElement | None = None
        self._open: XmlElement | None = None
        self._depth = self._held = 0
        self._texts: list[str] = []
        self._parser = parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.buffer_text = True
        parser.buffer_size = _BUFFER_BYTES
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._texts.append
        parser.StartDoctypeDeclHandler = self._doctype

    def read(self, chunks: Iterable[bytes]) -> XmlElement:
        try:
            for chunk in chunks:
                self._parser.Parse(chunk, False)
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            self._refuse(f"is not well-formed XML, at line {error.lineno}, column {error.offset + 1}: {what}.")
        except (ValueError, LookupError, UnicodeError) as error:  # an encoding that Python does not know
            self._refuse(f"cannot be read in the encoding that it declares: {error}.")
        assert self._root is not None, "expat accepts no document without an element"
        return self._root

    def _refuse(self, sentence: str) -> NoReturn:
        raise MessageError("format", sentence, "/" if self._open is None else self._open.path())

    def _doctype(self, *_: object) -> None:
        self._refuse("has a document type (<!DOCTYPE>), which may define entities and is never needed. Remove it.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._held += 1
        if self._depth > DEPTH_MAX:
            self._refuse(f"has more than {DEPTH_MAX} elements inside one another.")
        if self._held > ELEMENTS_MAX:
            self._refuse(f"has more than {ELEMENTS_MAX:,} elements outside of its transactions, or in one of them.")
        if len(attributes) > ATTRIBUTES_MAX:
            self._refuse(f"has an element with more than {ATTRIBUTES_MAX} attributes.")
        namespace, _, local = name.rpartition(_SEPARATOR)
        local_attributes = {key.rpartition(_SEPARATOR)[2]: value for key, value in attributes.items()}
        element = XmlElement(local, namespace, local_attributes, self._open)
        if self._open is None:
            self._root = element
        self._open = element
        self._texts.clear()

    def _end(self, _: str) -> None:
        element = self._open
        assert element is not None, "expat ends no element that it did not begin"
        if not element.children:
            element.text = "".join(self._texts).strip()
        self._texts.clear()
        self._open = element.parent
        self._depth -= 1
        if element.name == self._watched and self._on_end(element) and element.parent is not None:
            self._held -= _size(element)
            siblings = element.parent.children[element.name]
            if len(siblings) > 1:  # the last one stays, for the number of the next
                self._held -= 1
                del siblings[:-1]
            element.let_go()


def _size(element: XmlElement) -> int:
    """How many elements are in it."""
    return sum(1 + _size(child) for named in element.children.values() for child in named)
