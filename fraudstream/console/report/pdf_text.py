"""Texts of payments and people as markup of reportlab: escaped, in a font that has their characters.

A `Paragraph` of reportlab takes markup, so every text comes through here. Latin texts are in Vera, which is embedded;
Chinese ones, and what else the character set GBK has, in STSong-Light, a font that readers of PDF bring along. A
character that neither has, and every control or format character, is shown by its code, as on pages of the console.
"""

from __future__ import annotations

from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

from fraudstream.console.shown_text import is_hidden, shown_code

LATIN: Final = "Vera"
LATIN_BOLD: Final = "VeraBd"
CHINESE: Final = "STSong-Light"
_CODE: Final = ""


def register_fonts() -> None:
    """Make the fonts known to reportlab; again is harmless."""
    for name in (LATIN, LATIN_BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    pdfmetrics.registerFontFamily(LATIN, normal=LATIN, bold=LATIN_BOLD, italic=LATIN, boldItalic=LATIN_BOLD)
    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))


def markup(text: object, *, bold: bool = False) -> str:
    """The text as markup. Line breaks stay. The fonts must be registered.

    >>> register_fonts()
    >>> markup("a<b>" + chr(0x202E) + "\\n中")
    'a&lt;b&gt;<font color="#9c2f00">[U+202E]</font><br/><font name="STSong-Light">中</font>'
    """
    characters = str(text).replace("\r\n", "\n")
    runs = groupby(characters, key=lambda each: _font_of(each, LATIN_BOLD if bold else LATIN))
    shown = "".join(_run(font, "".join(run)) for font, run in runs)
    return f"<b>{shown}</b>" if bold else shown


def plain(text: object) -> str:
    """The text without markup, for titles and metadata."""
    return "".join(f"[{shown_code(each)}]" if is_hidden(each) else each for each in str(text))


def has_chinese(text: object) -> bool:
    """Whether a line of the text may be broken between any two characters."""
    return any(_font_of(each, LATIN) == CHINESE for each in str(text))


def _run(font: str, run: str) -> str:
    if font == _CODE:
        return "".join(f'<font color="#9c2f00">[{shown_code(each)}]</font>' for each in run)
    shown = escape(run).replace("\n", "<br/>")
    return f'<font name="{CHINESE}">{shown}</font>' if font == CHINESE else shown


def _font_of(character: str, latin: str) -> str:
    """The font of a character; `_CODE` if none has it."""
    if character == "\n":
        return latin
    if is_hidden(character):
        return _CODE
    if ord(character) in pdfmetrics.getFont(latin).face.charToGlyph:
        return latin
    try:
        encoded = character.encode("gbk")
    except UnicodeEncodeError:
        return _CODE
    return CHINESE if len(encoded) == 2 else _CODE
