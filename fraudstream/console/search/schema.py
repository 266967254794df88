"""The fields of the index on disk, and a case as a document of it.

Texts are indexed without being stored. What is stored of a case is its row, which the queue shows anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec
from tantivy import Document, Schema, SchemaBuilder

from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_order import ORDERS, places_of
from fraudstream.console.queue_query import NOBODY
from fraudstream.console.search.entry import CaseEntry
from fraudstream.console.search.words import WORDS_VERSION

FIELDS_VERSION: Final = 3  # to be raised where fields, rows or places change

# Each has one value, which is counted. `typologies`, `tags`: all of a case as one text.
_COUNTED: Final = ("state", "severity", "assignee", "queue", "typologies", "tags")
_EXACT: Final = ("case_id", "account_id", "ids", "typology", "tag", "kind")
# Counted by the overview alone. A case may have several channels, partners and rules.
_COUNTED_OF_FEW: Final = ("disposition", "level", "channel", "partner", "rule", "currency")
LOG_POSITION: Final = "log_position"  # the `kind` of the document that says up to where the topic has been read
BETWEEN_VALUES: Final = "\n"
AMOUNTS: Final = "amount_minor"  # parts by currency, as of `amount_parts`
BILLION: Final = 1_000_000_000
_BILLIONS_MAX: Final = 2**53 - 1

_encode_row: Final = msgspec.msgpack.Encoder().encode
_decode_row: Final = msgspec.msgpack.Decoder(CaseRow).decode


class LogPosition(msgspec.Struct, frozen=True):
    """Up to where the index has read the topic. `offsets`: the next to read, by partition. `format`: `FORMAT` of the
    index. `at_ms`: when this was written, ms since the epoch, UTC."""

    topic_id: str
    offsets: Mapping[int, int]
    format: str
    at_ms: int


def new_schema() -> Schema:
    """The schema of the index."""
    builder = SchemaBuilder()
    for field in (*_COUNTED, *_COUNTED_OF_FEW):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic", fast=True)
    for field in _EXACT:
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    for field in ("words", "account_words"):
        builder.add_text_field(field, tokenizer_name="whitespace", index_option="basic")
    for order in ORDERS:
        builder.add_integer_field(order, fast=True)
    builder.add_integer_field("alerted_at_ms", fast=True)
    builder.add_json_field(AMOUNTS, fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("row", stored=True)
    builder.add_text_field("position", stored=True, tokenizer_name="raw", index_option="basic")
    return builder.build()


def index_format() -> str:
    """What an index must have been made with for this build to read it."""
    fields = ", ".join(f"{each.name} {each.type}" for each in msgspec.structs.fields(CaseRow))
    return sha256(f"{FIELDS_VERSION}; {WORDS_VERSION}; {fields}".encode()).hexdigest()[:16]


FORMAT: Final = index_format()


def document_of(entry: CaseEntry) -> Document:
    """The document of a case."""
    row, document = entry.row, Document()
    add = document.add_text
    add("case_id", row.case_id)
    for each in row.accounts:
        add("account_id", each)
    add("state", row.state)
    add("severity", row.severity)
    add("assignee", row.assignee or NOBODY)
    add("typologies", BETWEEN_VALUES.join(row.typologies))
    add("tags", BETWEEN_VALUES.join(row.tags))
    if row.queue is not None:
        add("queue", row.queue)
    if row.result is not None:
        add("disposition", row.result)
    if row.level is not None:
        add("level", row.level)
    for typology in row.typologies:
        add("typology", typology)
    for tag in row.tags:
        add("tag", tag)
    for field, values in (("channel", row.channels), ("partner", row.partners), ("rule", row.rules)):
        for value in values:
            add(field, value)
    for currency in entry.amount_minor:
        add("currency", currency)
    document.add_json(AMOUNTS, amount_parts(entry.amount_minor))
    for at_ms in entry.alerted_at_ms:
        document.add_integer("alerted_at_ms", at_ms)
    for each in entry.ids:
        add("ids", each)
    add("words", entry.text)
    add("account_words", entry.account_text)
    for order, place in zip(ORDERS, places_of(row), strict=True):
        document.add_integer(order, place)
    document.add_bytes("row", _encode_row(row))
    return document


def amount_parts(amounts: Mapping[str, int]) -> dict[str, int]:
    """Amounts in two parts each, as the index sums in float64: sums of parts are whole numbers that it holds exactly.

    >>> amount_parts({"EUR": 12_000_000_005, "JPY": 7})
    {'EUR': 5, 'EUR_billions': 12, 'JPY': 7}
    """
    parts = {}
    for currency, minor in amounts.items():
        billions, parts[currency] = divmod(minor, BILLION)
        if billions:
            parts[f"{currency}_billions"] = min(billions, _BILLIONS_MAX)
    return parts


def row_in(document: Document) -> CaseRow:
    """The row that a case's document stores."""
    return _decode_row(document["row"][0])


def position_document(position: LogPosition) -> Document:
    """The one document of the index that is not a case's."""
    document = Document()
    document.add_text("kind", LOG_POSITION)
    document.add_text("position", msgspec.json.encode(position).decode())
    return document


def position_in(document: Document) -> LogPosition:
    """The position that a document stores. Raises `msgspec.MsgspecError`."""
    return msgspec.json.decode(document["position"][0], type=LogPosition)
