"""Checks a mapping for messages before one is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fraudstream.backtest.sources import ROW, AmountSource, LabelSource, Source, template_parts
from fraudstream.formats.iso8583_columns import Iso8583Column
from fraudstream.formats.message_layout import MessageLayout
from fraudstream.formats.record_values import check_path
from fraudstream.formats.xml_path import XmlPath


def message_faults(
    message: MessageLayout, sources: Sequence[tuple[str, Source]], label: LabelSource | None
) -> Iterator[str]:
    """Everything wrong, a sentence each. `sources`: field name and source of every mapped field.

    A message is judged alone, so what a file would decide for all of its rows has to be said here.
    """
    for field, source in sources:
        if isinstance(source, AmountSource) and source.scale is None and source.constant is None:
            yield f"payment.{field}: has no scale. Set `scale: major`, or `scale: minor` if it counts minor units."
        if any(part.name == ROW for part in template_parts(source.template or "")):
            yield f"payment.{field}: a message has no {{{ROW}}}."
        for column in source.columns:
            if (fault := _column_fault(message, column)) is not None:
                yield f"payment.{field}: {fault}"
    if label is not None and label.typology is not None:
        yield "label.typology: a message has no optional columns. Remove it."


def _column_fault(message: MessageLayout, column: str) -> str | None:
    try:
        if message.format == "iso8583":
            Iso8583Column(column)
        elif message.is_iso20022:
            XmlPath(column)
        else:
            check_path(column)
    except ValueError as error:
        return str(error)
    return None
