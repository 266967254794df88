"""Numbers that a spreadsheet has shortened when it saved a file: 4111111111111111 becomes `4.11111E+15`.

The digits are lost, so many ids become one and amounts and times are wrong. No program but a spreadsheet writes numbers
of this size so.
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
