"""The texts of a batch of payments, for the functions of the rule language that look into them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from fraudstream.contracts.payment import Payment
from fraudstream.engine.expression import PAYMENT_FIELDS, ColumnSource, DistinctTexts, distinct_texts
from fraudstream.engine.plain_text import MISSING, text_at


def distinct_texts_of(columns: ColumnSource, payments: Sequence[Payment], name: str) -> DistinctTexts:
    """The texts of a TEXT field, attribute or feature. `payments`: the n payments of `columns`, in that order."""
    if name.startswith("attributes."):
        short = name.removeprefix("attributes.")
        return distinct_texts([None if p.attributes is None else _text(p.attributes.get(short)) for p in payments])
    if name in PAYMENT_FIELDS:
        return distinct_texts(list(map(attrgetter(name), payments)))
    return _of_feature(columns, payments, name)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _of_feature(columns: ColumnSource, payments: Sequence[Payment], name: str) -> DistinctTexts:
    """The texts of a feature, of which columns hold digests alone."""
    _, first, inverse = np.unique(columns.column(name), return_index=True, return_inverse=True)
    texts = [text_at(columns, row, payments[row], name) for row in first.tolist()]
    present = [text for text in texts if text != MISSING]
    code = np.array([-1 if text == MISSING else present.index(text) for text in texts], np.int32)
    return DistinctTexts(present, code[inverse])
