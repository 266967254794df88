"""A trace is drawn as a tree over a time axis."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from docsite.trace_picture import Span, main, rows_of

MS = 1_000_000
SPANS = [
    Span("worker", "send <alerts>", "c", "b", 7 * MS, 9 * MS),
    Span("gateway", "POST /v1/decisions", "a", "caller", 0, 10 * MS),
    Span("worker", "send decisions", "d", "b", 5 * MS, 8 * MS),
    Span("worker", "decide payments", "b", "a", 4 * MS, 6 * MS),
]


def test_children_are_below_their_parent_in_the_order_of_their_beginnings() -> None:
    assert [(row.span.span_id, row.depth) for row in rows_of(SPANS)] == [("a", 0), ("b", 1), ("d", 2), ("c", 2)]


def test_the_picture_has_each_span_with_its_name_and_its_time(tmp_path: Path) -> None:
    source, target = tmp_path / "spans.json", tmp_path / "trace.svg"
    fields = Span.__struct_fields__
    source.write_text(json.dumps([{name: getattr(span, name) for name in fields} for span in SPANS]))
    main(source, target)
    texts = [each.text for each in ElementTree.parse(target).iter("{http://www.w3.org/2000/svg}text")]
    for name, took in (("POST /v1/decisions", "10.0 ms"), ("send <alerts>", "2.0 ms")):
        assert texts[texts.index(name) + 1] == took
    assert texts[:2] == ["gateway", "worker"]
