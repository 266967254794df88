"""Messages of ISO 20022 in XML, of every version: the transactions in them, such as `CdtTrfTxInf` of a pacs.008.

The message may be in an envelope, beside its business application header (`AppHdr`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from fraudstream.formats.message import MESSAGE_BYTES_MAX, MessageError, Transaction, TransactionFault
from fraudstream.formats.xml_document import NAME_CHARS_SHOWN, XmlElement, read_xml
from fraudstream.formats.xml_path import PathFault, XmlPath

MESSAGE_TYPE: Final = re.compile(r"[a-z]{4}\.\d{3}")
_NAMESPACE: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:(?P<type>[a-z]{4}\.\d{3})\.\d{3}\.\d{2}")

# By message type: the element in `Document`, and the transactions in it.
MESSAGE_ELEMENTS: Final = {
    "pacs.008": "FIToFICstmrCdtTrf",
    "pain.001": "CstmrCdtTrfInitn",
    "pacs.004": "PmtRtr",
    "camt.056": "FIToFIPmtCxlReq",
}
TRANSACTION_ELEMENTS: Final = {
    "pacs.008": "CdtTrfTxInf",
    "pain.001": "PmtInf/CdtTrfTxInf",
    "pacs.004": "TxInf",
    "camt.056": "Undrlyg/TxInf",
}
_TYPES: Final = {element: name for name, element in MESSAGE_ELEMENTS.items()}
_DOCUMENT_DEPTH_MAX: Final = 8  # in how many envelopes a message may be


class Iso20022Format:
    """Reads messages of `message_type`, such as pacs.008. `each`: the path of a transaction from the message's element;
    `columns`: paths, see `xml_path`. Raises `ValueError` for a path that cannot be read."""

    def __init__(self, message_type: str, columns: Sequence[str], each: str | None = None) -> None:
        steps = each or TRANSACTION_ELEMENTS.get(message_type)
        if steps is None:
            raise ValueError(f"of {message_type} is not known which elements are transactions. Set `each`.")
        self._type = message_type
        self._each = steps.split("/")
        self._paths = [XmlPath(column) for column in columns]

    def transactions(self, message: bytes, published_at_ms: int | None) -> list[Transaction]:
        """As `MessageFormat.transactions`."""
        if len(message) > MESSAGE_BYTES_MAX:
            raise MessageError(
                "too_large", f"has {len(message):,} bytes, more than the {MESSAGE_BYTES_MAX:,} that are read.", "/"
            )
        return self.read([message])

    def read(self, chunks: Iterable[bytes]) -> list[Transaction]:
        """The transactions of a document that comes in pieces, of any size. Raises `MessageError`."""
        found: list[Transaction] = []

        def on_end(element: XmlElement) -> bool:
            if not self._is_transaction(element):
                return False
            found.append(self._transaction(element, len(found) + 1))
            return True

        root = read_xml(chunks, self._each[-1], on_end)
        message = self._message(root)
        if not found:
            raise MessageError("format", f"has no transaction: there is no {'/'.join(self._each)}.", message.path())
        _check_count(message, len(found))
        return found

    def _is_transaction(self, element: XmlElement) -> bool:
        """Whether the element is at the path of a transaction in the message."""
        around: XmlElement | None = element
        for name in reversed(self._each):
            if around is None or around.name != name:
                return False
            around = around.parent
        return around is not None and around.parent is not None and around.parent.name == "Document"

    def _transaction(self, element: XmlElement, position: int) -> Transaction:
        values: list[str | None] = []
        alternatives: list[int] = []
        fault: TransactionFault | None = None
        for index, path in enumerate(self._paths):
            value, alternative = None, 0
            try:
                value, alternative = path.find(element, position)
            except PathFault as error:
                fault = fault or TransactionFault(index, error.sentence)
            values.append(value)
            alternatives.append(alternative)
        place = element.path() + ("[1]" if element.number == 1 else "")
        return Transaction(values, partial(self._path_of, place, alternatives), fault)

    def _path_of(self, place: str, alternatives: Sequence[int], column: int | None) -> str:
        return place if column is None else self._paths[column].location(place, alternatives[column])

    def _message(self, root: XmlElement) -> XmlElement:
        """The message's element. Raises `MessageError` if the document holds another message, or none."""
        document = _document(root)
        message_type = _type_of(document)
        if message_type != self._type:
            what = (
                f"is a {message_type}" if message_type is not None else "does not say which message of ISO 20022 it is"
            )
            raise MessageError("format", f"{what}; expected {self._type}.", document.path())
        if not document.children:
            raise MessageError("format", "is empty.", document.path())
        return next(iter(document.children.values()))[0]


def type_of_message(message: bytes) -> str | None:
    """The message type, such as pacs.008, that the namespace in the first bytes names; None if there is none.

    >>> type_of_message(b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08">')
    'pacs.008'
    """
    head = message[:4096].replace(b"\0", b"").decode("ascii", "replace")
    types = [found["type"] for found in _NAMESPACE.finditer(head) if not found["type"].startswith("head.")]
    if types:
        return types[0]
    return next((name for element, name in _TYPES.items() if f"{element}>" in head or f"{element} " in head), None)


def _document(root: XmlElement) -> XmlElement:
    """The element `Document`. Raises `MessageError`."""
    level = [root]
    for _ in range(_DOCUMENT_DEPTH_MAX):
        for element in level:
            if element.name == "Document":
                return element
        level = [child for element in level for named in element.children.values() for child in named]
    shown = root.name[:NAME_CHARS_SHOWN]
    raise MessageError("format", f"is no message of ISO 20022: {shown} holds no element Document.", root.path())


def _type_of(document: XmlElement) -> str | None:
    """The message type by the namespace; without one of ISO 20022 by the element in the document."""
    found = _NAMESPACE.fullmatch(document.namespace)
    if found is not None:
        return found["type"]
    return _TYPES.get(next(iter(document.children), ""))


def _check_count(message: XmlElement, count: int) -> None:
    """Refuse a message that has lost transactions. Raises `MessageError`."""
    for header in message.named("GrpHdr"):
        for stated in header.named("NbOfTxs"):
            if stated.text.isascii() and stated.text.isdigit() and int(stated.text) != count:
                raise MessageError(
                    "format", f"says that there are {stated.text} transactions, but there are {count}.", stated.path()
                )
