"""Texts to the words that find them.

Texts are normalised (NFKC, case folded) and split at everything that is neither letter nor digit. Chinese, Japanese
and Korean are written without spaces, and a dictionary that splits them into words would leave out the names and
the new words that matter here. So each of their characters is a word, and each two that follow one another: one
character is found anywhere, and a longer text where all its pairs are.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

WORDS_VERSION: Final = f"1, Unicode {unicodedata.unidata_version}"  # an index with other words is made anew

_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
_WORD: Final = re.compile(rf"([{_UNSPACED}]+)|[^\W_{_UNSPACED}]+")
_SPACED: Final = {code: " " for code in range(128) if not chr(code).isalnum()}


def words_of(text: str) -> set[str]:
    """The words of a text.

    >>> sorted(words_of("Called the customer, 2x"))
    ['2x', 'called', 'customer', 'the']
    >>> sorted(words_of("客户否认"))
    ['否', '否认', '客', '客户', '户', '户否', '认']
    """
    if text.isascii():  # as below, in a fraction of the time
        return set(text.lower().translate(_SPACED).split())
    text = unicodedata.normalize("NFKC", text)
    words: set[str] = set()
    for found in _WORD.finditer(text.casefold()):
        word = found[0]
        if found[1] is None:
            words.add(word)
        else:
            words.update(word)
            words.update(word[at : at + 2] for at in range(len(word) - 1))
    return words
