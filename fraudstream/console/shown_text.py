"""Texts of payments and people as markup: isolated from the text around them, with every invisible character shown.

A right-to-left override in an account's name would reverse what stands beside it on the screen, and a zero-width space
would hide a difference between two names. `<bdi>` isolates a text; control and format characters are shown by their
code.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from markupsafe import Markup, escape

_SHOWN_BY_CODE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


def value_markup(value: object) -> Markup:
    """A value in `<bdi>`, escaped.

    >>> value_markup("a<b"), value_markup("x" + chr(0x202E))
    (Markup('<bdi>a&lt;b</bdi>'), Markup('<bdi>x<span class="code">U+202E</span></bdi>'))
    """
    return Markup(f"<bdi>{_characters(str(value), breaks=False)}</bdi>")


def prose_markup(text: str) -> Markup:
    """A text that may have line breaks, which stay, in a `<bdi>`."""
    return Markup(f"<bdi>{_characters(text.replace(chr(13) + chr(10), chr(10)), breaks=True)}</bdi>")


def plain_value(value: object) -> str:
    """The same as text alone, for titles and attributes.

    >>> plain_value("x" + chr(0x202E))
    'x[U+202E]'
    """
    return "".join(f"[{shown_code(each)}]" if is_hidden(each) else each for each in str(value))


def grouped(number: object) -> str:
    """A decimal number with a comma between groups of three digits; another text as it is.

    >>> grouped("3374416.94"), grouped(-1785), grouped("0.5"), grouped("n/a")
    ('3,374,416.94', '-1,785', '0.5', 'n/a')
    """
    text = str(number)
    whole, point, decimals = text.partition(".")
    if not whole.lstrip("-").isascii() or not whole.lstrip("-").isdigit():
        return text
    return f"{int(whole):,}{point}{decimals}" if int(whole) else text


def _characters(text: str, breaks: bool) -> Markup:
    if text.isprintable() or not any(map(is_hidden, text)):  # the first is quick, and true of most texts
        return escape(text)
    return Markup("").join(
        Markup('<span class="code">{}</span>').format(shown_code(each))
        if is_hidden(each) and not (breaks and each == "\n")
        else escape(each)
        for each in text
    )


def is_hidden(character: str) -> bool:
    """Whether nobody would see the character, or it would change what stands beside it."""
    return unicodedata.category(character) in _SHOWN_BY_CODE


def shown_code(character: str) -> str:
    """The code by which a hidden character is shown: U+202E."""
    return f"U+{ord(character):04X}"
