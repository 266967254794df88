"""The fields of the index on disk, and a case as a document of it.

Texts are indexed without being stored. What is stored of a case is its row, which the queue shows anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import astuple
from tantivy import Document, Schema, SchemaBuilder

from fraudstream.console.case_row import CaseRow
from fraudstream.console.queue_order import ORDERS, places_of
from fraudstream.console.queue_query import NOBODY
from fraudstream.console.search.entry import CaseEntry
from fraudstream.console.search.words import WORDS_VERSION

FIELDS_VERSION: Final = 4  # to be raised where fields, rows or places change

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

_encode: Final = msgspec.json.Encoder().encode


class _StoredRow(CaseRow, frozen=True, gc=False, array_like=True):
    """A row as it is stored: without the names of its fields, which are more than half of it."""


_encode_row: Final = msgspec.msgpack.Encoder().encode
_decode_row: Final = msgspec.msgpack.Decoder(_StoredRow).decode


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


class _CaseDocument(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A case as the index takes it, by names of fields. Most are there once, those of `tuple` once for each value."""

    case_id: str
    account_id: tuple[str, ...]
    state: str
    severity: str
    assignee: str
    typologies: str
    tags: str
    ids: tuple[str, ...]
    words: str
    account_words: str
    urgency: int
    score: int
    oldest: int
    newest: int
    row: bytes
    queue: str | None = None
    disposition: str | None = None
    level: str | None = None
    typology: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()
    partner: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    alerted_at_ms: tuple[int, ...] = ()
    amount_minor: dict[str, int] = {}


def document_of(entry: CaseEntry) -> str:
    """The document of a case, as JSON: the index reads that without the interpreter, a call for each value takes three
    times as long."""
    row = entry.row
    urgency, score, oldest, newest = places_of(row)
    return _encode(
        _CaseDocument(
            case_id=row.case_id,
            account_id=row.accounts,
            state=row.state,
            severity=row.severity,
            assignee=row.assignee or NOBODY,
            typologies=BETWEEN_VALUES.join(row.typologies),
            tags=BETWEEN_VALUES.join(row.tags),
            ids=entry.ids,
            words=entry.text,
            account_words=entry.account_text,
            urgency=urgency,
            score=score,
            oldest=oldest,
            newest=newest,
            row=_encode_row(astuple(row)),
            queue=row.queue,
            disposition=row.result,
            level=row.level,
            typology=row.typologies,
            tag=row.tags,
            channel=row.channels,
            partner=row.partners,
            rule=row.rules,
            currency=tuple(entry.amount_minor),
            alerted_at_ms=entry.alerted_at_ms,
            amount_minor=amount_parts(entry.amount_minor),
        )
    ).decode()


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
    return CaseRow(*astuple(_decode_row(document["row"][0])))


def position_document(position: LogPosition) -> str:
    """The one document of the index that is not a case's, as JSON."""
    return _encode({"kind": LOG_POSITION, "position": _encode(position).decode()}).decode()


def position_in(document: Document) -> LogPosition:
    """The position that a document stores. Raises `msgspec.MsgspecError`."""
    return msgspec.json.decode(document["position"][0], type=LogPosition)
