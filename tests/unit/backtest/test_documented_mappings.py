"""Every mapping that the documentation shows can be used."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from fraudstream.backtest.file_layout import FileLayout
from fraudstream.backtest.mapping import parse_mapping
from fraudstream.backtest.sources import AmountSource, PaymentSources, RowCondition, TextSource, TimeSource
from fraudstream.contracts import Payment

ROOT = Path(__file__).parents[3]
PAGES = ("docs/files.md", "examples/mappings/README.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_mappings_of_a_page_are_valid(page: str) -> None:
    blocks = re.findall(r"```yaml\n(title:.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        parse_mapping(block, page)


def test_the_layout_of_the_page_is_valid() -> None:
    (block,) = re.findall(r"```yaml\n(file:.*?)```", (ROOT / "docs/files.md").read_text(), re.DOTALL)
    layout = msgspec.convert(yaml.load(block, yaml.BaseLoader)["file"], FileLayout, strict=False)
    assert (layout.separator_of("x.csv"), layout.escape, layout.header_row) == (";", "\\", 4)


@pytest.mark.parametrize("source", [AmountSource, TextSource, TimeSource, RowCondition, FileLayout])
def test_every_option_is_documented(source: type) -> None:
    text = (ROOT / "docs/files.md").read_text()
    assert [name for name in source.__struct_encode_fields__ if name not in text] == []  # type: ignore[attr-defined]


def test_every_field_of_a_payment_can_be_mapped() -> None:
    fields = set(Payment.__struct_fields__) - {"schema_version"}
    assert fields == set(PaymentSources.__struct_fields__)
