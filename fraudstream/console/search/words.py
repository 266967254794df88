"""Texts to the words that find them.

Texts are normalised (NFKC, case folded) and split at everything that is neither letter nor digit. Chinese, Japanese
and Korean are written without spaces, and a dictionary that splits them into words would leave out the names and
the new words that matter here. So each of their characters is a word, and each two that follow one another: one
character is found anywhere, and a longer text where all its pairs are.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Final

WORDS_VERSION: Final = f"1, Unicode {unicodedata.unidata_version}"  # an index with other words is made anew

_UNSPACED: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
_UNSPACED_RUN: Final = re.compile(f"[{_UNSPACED}]+")
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
_SPACED: Final = {code: " " for code in range(128) if not chr(code).isalnum()}


def spaced_words(text: str) -> str:
    """The words of a text, between spaces; a word may occur more than once.

    >>> spaced_words("Called the customer, 2x").split()
    ['called', 'the', 'customer', '2x']
    >>> spaced_words("客户否认").split()
    ['客', '户', '否', '认', '客户', '户否', '否认']
    """
    if text.isascii():  # as below, in a fraction of the time
        return text.lower().translate(_SPACED)
    text = unicodedata.normalize("NFKC", text).casefold()
    return _BETWEEN_WORDS.sub(" ", _UNSPACED_RUN.sub(_characters_and_pairs, text))


def words_of(text: str) -> set[str]:
    """The words of a text.

    >>> sorted(words_of("Called the customer, 2x"))
    ['2x', 'called', 'customer', 'the']
    """
    return set(spaced_words(text).split())


def _characters_and_pairs(run: re.Match[str]) -> str:
    characters = run[0]
    pairs = map("".join, pairwise(characters))
    return f" {' '.join(characters)} {' '.join(pairs)} "
