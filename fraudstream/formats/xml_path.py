"""Paths of a mapping in a message of ISO 20022: a part of XPath, from a transaction.

PmtId/UETR                          within the transaction
../DbtrAcct/Id/IBAN                 in the element around it
/Document/FIToFICstmrCdtTrf/GrpHdr/CreDtTm    from the document; /AppHdr/... from the business application header
IntrBkSttlmAmt/@Ccy                 an attribute
PmtId/UETR | PmtId/TxId             the first of these that is there
RmtInf/Ustrd[1], RmtInf/Ustrd[*]    the first of several; all of them, joined by a blank
position()                          the number of the transaction in its message, from 1
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from fraudstream.formats.xml_document import NAME_CHARS_SHOWN, XmlElement

POSITION: Final = "position()"
_STEP: Final = re.compile(r"(?P<name>[A-Za-z_][\w.-]*)(\[(?P<number>[1-9]\d{0,5}|\*)\])?")
_ATTRIBUTE: Final = re.compile(r"@(?P<name>[A-Za-z_][\w.-]*)")


class _Step(NamedTuple):
    """`number`: which of the elements of this name, from 1; 0: the only one; -1: all of them."""

    name: str
    number: int


class PathFault(Exception):
    """A path finds something that is no single text. `sentence`: what."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class XmlPath:
    """A path. Raises `ValueError` with a sentence if it cannot be read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.alternatives = tuple(_Alternative(part.strip()) for part in text.split("|"))

    def find(self, transaction: XmlElement, position: int) -> tuple[str | None, int]:
        """The text, None if there is none, and the index of the alternative that gave it. `position`: of the
        transaction in its message. Raises `PathFault`."""
        for index, alternative in enumerate(self.alternatives):
            found = alternative.find(transaction, position)
            if found is not None:
                return found, index
        return None, 0

    def location(self, transaction_path: str, alternative: int = 0) -> str:
        """The XPath of an alternative, in the transaction at `transaction_path`.

        >>> XmlPath("../DbtrAcct/Id/IBAN").location("/Document/M/PmtInf/CdtTrfTxInf[2]")
        '/Document/M/PmtInf/DbtrAcct/Id/IBAN'
        """
        return self.alternatives[alternative].location(transaction_path)


class _Alternative:
    """A path without alternatives: `up` elements out of the transaction, or from the document; then steps."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._absolute = text.startswith("/")
        self._up = 0
        self._steps: list[_Step] = []
        self._attribute: str | None = None
        if text == POSITION:
            return
        words = text.removeprefix("/").split("/")
        while words and words[0] == ".." and not self._absolute:
            self._up += 1
            words = words[1:]
        if words and (found := _ATTRIBUTE.fullmatch(words[-1])):
            self._attribute, words = found["name"], words[:-1]
        for word in words:
            self._steps.append(_step(word, text))
        if not self._steps and (self._attribute is None or self._absolute):
            raise ValueError(f"path {text!r} names no element.")

    def location(self, transaction_path: str) -> str:
        if self._text == POSITION:
            return transaction_path
        if self._absolute:
            return self._text
        above = transaction_path.split("/")
        kept = above[: len(above) - self._up] if self._up else above
        return "/".join([*kept, self._text.removeprefix("../" * self._up)])

    def find(self, transaction: XmlElement, position: int) -> str | None:
        if self._text == POSITION:
            return str(position)
        found = self._begin(transaction)
        for step in self._steps[1 if self._absolute else 0 :]:
            found = [child for element in found for child in _chosen(element.named(step.name), step)]
            if not found:
                return None
        if self._attribute is not None:
            texts = [element.attributes.get(self._attribute, "").strip() for element in found]
        elif holding := next((element for element in found if element.children), None):
            inside = next(iter(holding.children))[:NAME_CHARS_SHOWN]
            raise PathFault(f"has no text, but elements such as {inside}: give the path of one of them.")
        else:
            texts = [element.text for element in found]
        return " ".join(filter(None, texts)) or None

    def _begin(self, transaction: XmlElement) -> list[XmlElement]:
        """Where the path begins: the elements that it is relative to, or its first step if it is absolute."""
        element = transaction
        if not self._absolute:
            for _ in range(self._up):
                if element.parent is None:
                    return []
                element = element.parent
            return [element]
        while element.parent is not None and element.name != "Document":
            element = element.parent
        first = self._steps[0]
        around = element.parent
        if around is None:
            return [element] if element.name == first.name else []
        return _chosen(around.named(first.name), first)


def _step(word: str, text: str) -> _Step:
    found = _STEP.fullmatch(word)
    if found is None:
        raise ValueError(
            f"path {text!r} has {word!r}, which is not understood. A path is made of element names between '/', "
            "such as DbtrAcct/Id/IBAN; NAME[1], NAME[*], .., @Ccy, position() and A | B."
        )
    number = found["number"]
    return _Step(found["name"], 0 if number is None else -1 if number == "*" else int(number))


def _chosen(named: list[XmlElement], step: _Step) -> list[XmlElement]:
    """Those of the elements of a step's name that it chooses. Raises `PathFault`."""
    if step.number > 0:
        return [element for element in named if element.number == step.number]
    if step.number == 0 and len(named) > 1:
        raise PathFault(
            f"{step.name} is there {len(named)} times: write {step.name}[1] in the mapping for the first, or "
            f"{step.name}[*] for all of them."
        )
    return named
