"""Draws a trace as SVG: `python -m docsite.trace_picture SPANS.json PICTURE.svg`.

The spans are those that `tests/integration/telemetry/test_one_trace.py` has found, in the file that the variable
FRAUDSTREAM_TEST_TRACE_FILE names.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import msgspec

ROW: Final = 26  # height
TOP: Final = 64  # above the first row
NAMES: Final = 330  # width of the column of names
BARS: Final = 560
MARGIN: Final = 20
WIDTH: Final = NAMES + BARS + 2 * MARGIN
COLOURS: Final = ("#2f6fb0", "#b0642f", "#3d8a4e", "#7a4fa3")
FONT: Final = "font-family='system-ui, sans-serif'"


class Span(msgspec.Struct, frozen=True):
    """The fields of a span that are drawn."""

    service: str
    name: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int


class Row(msgspec.Struct, frozen=True):
    """A span at its depth in the tree."""

    span: Span
    depth: int


def rows_of(spans: Sequence[Span]) -> list[Row]:
    """The spans as a tree, a parent above its children, these by their beginnings."""
    known = {span.span_id for span in spans}

    def below(parents: Sequence[Span], depth: int) -> Iterator[Row]:
        for span in sorted(parents, key=lambda each: each.began_ns):
            yield Row(span, depth)
            yield from below([each for each in spans if each.parent_id == span.span_id], depth + 1)

    return list(below([span for span in spans if span.parent_id not in known], 0))


def picture(spans: Sequence[Span]) -> str:
    """The trace as SVG."""
    rows = rows_of(spans)
    began = min(span.began_ns for span in spans)
    length = max(span.ended_ns for span in spans) - began
    services = list(dict.fromkeys(row.span.service for row in rows))
    height = TOP + ROW * len(rows) + MARGIN
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}'>",
        "<title>One trace, from the HTTP request to the case</title>",
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
        *_legend(services),
        *_axis(length / 1e6, height),
    ]
    for number, row in enumerate(rows):
        span, y = row.span, TOP + ROW * number
        x = MARGIN + NAMES + BARS * (span.began_ns - began) / length
        wide = max(BARS * (span.ended_ns - span.began_ns) / length, 2.0)
        colour = COLOURS[services.index(span.service) % len(COLOURS)]
        took = f"{(span.ended_ns - span.began_ns) / 1e6:.1f} ms"
        inside = x + wide + 60 > WIDTH - MARGIN
        at, anchor = (x - 6, "end") if inside else (x + wide + 6, "start")
        parts += [
            _text(MARGIN + 14 * row.depth, y + 17, span.name, 13),
            f"<rect x='{x:.1f}' y='{y + 5}' width='{wide:.1f}' height='16' rx='2' fill='{colour}'/>",
            _text(at, y + 17, took, 11, anchor, "#555555"),
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(services: Sequence[str]) -> Iterator[str]:
    for number, service in enumerate(services):
        x = MARGIN + 200 * number
        yield f"<rect x='{x}' y='14' width='12' height='12' rx='2' fill='{COLOURS[number % len(COLOURS)]}'/>"
        yield _text(x + 18, 25, service, 13)


def _axis(length_ms: float, height: int) -> Iterator[str]:
    for quarter in range(5):
        x = MARGIN + NAMES + BARS * quarter / 4
        anchor = ("start", "middle", "middle", "middle", "end")[quarter]
        yield f"<line x1='{x}' x2='{x}' y1='{TOP - 8}' y2='{height - MARGIN}' stroke='#dddddd'/>"
        yield _text(x, TOP - 14, f"{length_ms * quarter / 4:.0f} ms", 11, anchor, "#555555")


def _text(x: float, y: float, text: str, size: int, anchor: str = "start", colour: str = "#222222") -> str:
    style = f"{FONT} font-size='{size}' text-anchor='{anchor}' fill='{colour}'"
    return f"<text x='{x:.1f}' y='{y}' {style}>{escape(text)}</text>"


def main(source: Path, target: Path) -> None:
    """Draw the spans of a file into another one."""
    found: Any = json.loads(source.read_text())
    target.write_text(picture(msgspec.convert(found, list[Span])))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
