"""The mapping and the dialect in docs/formats.md can be used as they are written there."""

from __future__ import annotations

import re
from pathlib import Path

from fraudstream.backtest.mapping import parse_mapping
from fraudstream.formats.catalogue import message_format
from fraudstream.formats.iso8583_dialect import parse_dialect

DOCUMENT = Path("docs/formats.md").read_text(encoding="utf-8")


def test_the_mapping_and_the_dialect_of_the_document_are_valid() -> None:
    mapping_text, dialect_text = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    mapping = parse_mapping(mapping_text, "m.yaml")
    assert mapping.message is not None
    message_format(mapping.message, mapping.columns)
    assert parse_dialect(dialect_text, "d.yaml").spec["43"]["data_enc"] == "cp037"
