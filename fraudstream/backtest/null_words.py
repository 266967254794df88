"""Words that stand for a missing value in some files and for a name in others: NaN, NULL, None, NA.

`NA` is also Namibia and `None` a surname. So such a word in an id is refused until the file's layout says what it
means.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.file_layout import FileLayout

_WORDS = ("nan", "null", "none", "na", "n/a", "#n/a", "<na>", "nil", "(null)", "undefined", "-", "\\n", "nat")
_FORMS = [form for word in _WORDS for form in (word, word.upper(), word.capitalize())] + ["NaN", "NaT"]
_SET = pa.array(sorted(set(_FORMS)), pa.string())


def without_null_words(array: Any, words: tuple[str, ...] | None) -> Any:
    """An Arrow array with null in place of the texts in `words`; other types than text are unchanged."""
    if not words or not pa.types.is_string(array.type):
        return array
    return pc.if_else(pc.is_in(array, value_set=pa.array(words, pa.string())), None, array)


def is_null_word(text: str) -> bool:
    """Whether `text` stands for a missing value in some files."""
    return text in _FORMS


def ambiguous(texts: Any, column: str, layout: FileLayout) -> Any:
    """Which Arrow strings of `column` may mean that the value is missing, where `layout` does not say; Arrow
    booleans."""
    if layout.null_words(column) is not None:
        return pa.array([False] * len(texts))
    return pc.is_in(texts, value_set=_SET)


def ambiguity(text: str, column: str) -> str:
    """The sentence for an ambiguous `text` of `column`.

    >>> ambiguity("NA", "Account").partition(": ")[2]
    "`file: {null_values: {Account: ['NA']}}` if it is missing, `{Account: []}` if it is a name."
    """
    name = column if column.replace("_", "").replace(" ", "").isalnum() else f"'{column}'"
    return (
        f"{text!r} may be a name or mean that the value is missing. Say which in the mapping: "
        f"`file: {{null_values: {{{name}: ['{text}']}}}}` if it is missing, `{{{name}: []}}` if it is a name."
    )
