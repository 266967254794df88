"""Rows of the queue as markup. Each is drawn once for all who see the same, and is not sent to a browser that has it.

A browser that keeps its page up to date names the rows that it shows by their digests. In place of such a row it gets
an empty one of the same id, `data-kept`, and keeps its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from hashlib import blake2b
from typing import Final, NamedTuple

from markupsafe import Markup

from fraudstream.console.case_row import CaseRow

KNOWN_HEADER: Final = "x-known-rows"  # digests, between spaces
ROWS_KEPT: Final = 4_096  # some 2 kB each
_DIGEST_BYTES: Final = 6


class RowLook(NamedTuple):
    """What the markup of a row depends on besides its case. `parameters`: of its address. `may_act`: it can be chosen.
    `is_masked`: identifiers are not shown. `has_queues`: there is a column for what is due."""

    language: str
    parameters: str
    may_act: bool
    is_masked: bool
    has_queues: bool


class ShownTimes(NamedTuple):
    """Spans of a row at the time of the page, as text; empty if the case has none. `age`: since it was opened. `due`:
    until its service level is breached. `snoozed`: until it is put before people again."""

    age: str
    due: str
    snoozed: str


class _DrawnRow(NamedTuple):
    """`kept`: what stands for the row where the browser has it."""

    digest: str
    markup: Markup
    kept: Markup


class QueueRows:
    """The rows that were drawn last. Called by the event loop."""

    def __init__(self) -> None:
        self._drawn: OrderedDict[object, _DrawnRow] = OrderedDict()

    def markup(
        self, row: CaseRow, look: RowLook, times: ShownTimes, known: Collection[str], cells: Callable[[], str]
    ) -> Markup:
        """The row of a table. `known`: digests of rows that the browser has. `cells`: draws what is in the row, and
        depends on nothing else than the case, `look` and `times`."""
        asked = row.case_id, row.version, row.updated_at_ms, look, times
        drawn = self._drawn.get(asked)
        if drawn is None:
            drawn = self._drawn[asked] = _drawn(row, cells())
            if len(self._drawn) > ROWS_KEPT:
                self._drawn.popitem(last=False)
        else:
            self._drawn.move_to_end(asked)
        return drawn.kept if drawn.digest in known else drawn.markup


def _drawn(row: CaseRow, cells: str) -> _DrawnRow:
    text = f"{row.case_id} {row.version}\n{cells}"
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()
    start = Markup('<tr id="row-{}" data-version="{}" data-digest="{}">').format(row.case_id, row.version, digest)
    kept = Markup('<tr id="row-{}" data-kept="{}"></tr>').format(row.case_id, digest)
    return _DrawnRow(digest, start + Markup(cells) + Markup("</tr>"), kept)
