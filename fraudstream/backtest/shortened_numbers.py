"""Amounts and times that a spreadsheet has shortened when it saved a file: 1234567.89 becomes `1.23457E+06`.

No program but a spreadsheet writes numbers of this size so. `text_columns.reformatted` says it for ids, which more
programs damage.
"""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc

_SHORTENED = r"^\s*[-+]?\d(\.\d{1,5})?E\+(0[5-9]|1\d|2\d)\s*$"


def shortened(texts: Any) -> Any:
    """Which Arrow strings are such numbers; Arrow booleans, null where the text is null."""
    return pc.match_substring_regex(texts, _SHORTENED)


def shortened_sentence(text: str) -> str:
    """What is wrong with such a number, and what to do."""
    return f"{text!r} is a number that a spreadsheet has shortened: its digits are lost. Export the column as text."
