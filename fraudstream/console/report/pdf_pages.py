"""The foot of each page of a PDF: its number of how many, which is known once all pages are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from fraudstream.console.report.pdf_text import LATIN, markup


def numbered_pages(page_text: Callable[[int, int], str], text: str) -> type[Canvas]:
    """A canvas whose pages have `text` at the foot, and `page_text` of their number and of how many there are."""

    class NumberedPages(Canvas):  # type: ignore[misc]  # reportlab is untyped
        """Keeps the pages until the last, and writes them then."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # the name is reportlab's
            """Keep the page."""
            self._kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            """Write all pages."""
            for number, page in enumerate(self._kept, 1):
                self.__dict__.update(page)
                _draw_foot(self, text, page_text(number, len(self._kept)))
                super().showPage()
            super().save()

    return NumberedPages


def _draw_foot(canvas: Canvas, left: str, right: str) -> None:
    style = ParagraphStyle("foot", fontName=LATIN, fontSize=7, leading=9)
    for text, alignment in ((left, 0), (right, 2)):
        foot = Paragraph(markup(text), ParagraphStyle("foot", parent=style, alignment=alignment))
        foot.wrapOn(canvas, A4[0] - 32 * mm, 20 * mm)
        foot.drawOn(canvas, 16 * mm, 8 * mm)
