"""Every mapping that the documentation shows can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fraudstream.backtest.mapping import parse_mapping
from fraudstream.backtest.sources import AmountSource, RowCondition, TextSource, TimeSource

ROOT = Path(__file__).parents[3]
PAGES = ("docs/files.md", "examples/mappings/README.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_mappings_of_a_page_are_valid(page: str) -> None:
    blocks = re.findall(r"```yaml\n(title:.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        parse_mapping(block, page)


@pytest.mark.parametrize("source", [AmountSource, TextSource, TimeSource, RowCondition])
def test_every_option_is_documented(source: type) -> None:
    text = (ROOT / "docs/files.md").read_text()
    assert [name for name in source.__struct_encode_fields__ if name not in text] == []  # type: ignore[attr-defined]
