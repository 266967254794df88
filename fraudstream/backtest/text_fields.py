"""Text fields of a payment from the cells of a batch: identifiers, words, flags, numbers, attributes, labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fraudstream.backtest.cells import Cells
from fraudstream.backtest.file_layout import FileLayout
from fraudstream.backtest.mapping_check import CHOICES
from fraudstream.backtest.null_words import ambiguity, ambiguous
from fraudstream.backtest.row_faults import ColumnError, RowFaults, as_mask
from fraudstream.backtest.sources import AttributeSource, LabelSource, TextSource
from fraudstream.backtest.text_columns import FRACTIONAL, REFORMATTED, fractional, reformatted, typed_text
from fraudstream.contracts.dead_letter import ReasonCode
from fraudstream.contracts.nearest_name import nearest

LABEL_FRAUD, LABEL_GENUINE, LABEL_NONE = 1, 0, -1

_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$|^(?i)\s*(nan|[-+]?inf)\s*$"
_NOT_IDS = (*CHOICES, "currency", "card_present", "lat", "lon")
_LABELS = {"fraud": LABEL_FRAUD, "genuine": LABEL_GENUINE, "unlabelled": LABEL_NONE}


class TextFields:
    """Reads text fields from `cells`; rows with a fault get null and a line in `faults`. `layout`: of the file."""

    def __init__(self, cells: Cells, faults: RowFaults, layout: FileLayout) -> None:
        self._cells, self._faults, self._layout = cells, faults, layout
        self.blanks: set[str] = set()  # columns with ids that have blanks around them

    def text(self, field: str, source: TextSource, required: bool = False) -> Any:
        """The field as Arrow strings, or as the constant itself. `source` has no `sign`."""
        if source.constant is not None:
            return source.constant
        name = source.columns[0] if source.columns else None
        texts = self._cells.source(source, self._faults)
        if field not in _NOT_IDS:
            self._check_id(field, source, texts)
        if source.trim:
            texts = pc.utf8_trim_whitespace(texts)
            texts = pc.if_else(pc.equal(texts, ""), None, texts)
        if source.upper:
            texts = pc.utf8_upper(texts)
        if source.values is not None:
            texts = self._translated(texts, source, name)
        if source.starting_with is not None:
            texts = pc.if_else(pc.starts_with(texts, source.starting_with), texts, None)
        if source.pad:
            texts = pc.utf8_lpad(texts, source.pad, "0")
        if required:
            for part in source.columns if source.template is not None else ():  # name the one that is missing
                self.require(field, self._cells.texts(part, self._faults), part)
            self.require(field, texts, name)
        return texts

    def _check_id(self, field: str, source: TextSource, texts: Any) -> None:
        """Refuse values of an id's columns that are numbers with decimals or lost digits, or may mean that it is
        missing."""
        for name in source.columns:
            faults, array = self._faults.column(name), self._cells.column(name)
            words = self._cells.texts(name, RowFaults(self._cells.n)) if source.column is None else texts
            if source.column is not None and not pa.types.is_string(array.type):
                faults.add(fractional(array), partial(_fractional_sentence, array, field))
            if source.column is not None and source.values is None:
                faults.add(reformatted(texts), partial(_reformatted_sentence, texts, name))
            if not source.trim and source.values is None and _has_blanks(words):
                self.blanks.add(name)
            if source.values is None:
                faults.add(ambiguous(words, name, self._layout), partial(_ambiguity_sentence, words, name))

    def require(self, field: str, values: Any, name: str | None) -> None:
        """Add a fault for each null of the Arrow array `values`."""
        self._faults.column(name).add(values.is_null(), lambda index: f"is empty, but {field} is required.")

    def choices(self, field: str, texts: Any, name: str | None, choices: tuple[str, ...]) -> None:
        """Add a fault for each text that is not one of `choices`, unless `texts` is a constant."""
        if isinstance(texts, str):
            return
        wrong = pc.and_(pc.invert(pc.is_in(texts, value_set=pa.array(choices))), texts.is_valid())
        reason: ReasonCode = "currency" if field == "currency" else "invalid"

        def sentence(index: int) -> str:
            text = texts[index].as_py()
            hint = upper_hint(text, choices) or f" Set `values: {{{text!r}: …}}` to translate it."
            return f"{text!r} is not a valid {field}; expected {listed(choices)}.{hint}"

        self._faults.column(name, reason).add(wrong, sentence)

    def _translated(self, texts: Any, source: TextSource, name: str | None) -> Any:
        assert source.values is not None
        known = self._typed(source.values, source.column)
        words = texts.fill_null("") if "" in source.values else texts
        found = pc.index_in(words, value_set=pa.array(known, pa.string()))
        unknown = pc.and_(found.is_null(), words.is_valid())
        if source.otherwise is None:
            self._faults.column(name).add(
                unknown,
                lambda i: (
                    f"{texts[i].as_py()!r} is not among the mapping's values.{nearest(str(texts[i].as_py()), known)}"
                ),
            )
        meanings = pa.array([meaning or None for meaning in source.values.values()], pa.string())
        return pc.if_else(unknown, pa.scalar(source.otherwise or None, pa.string()), meanings.take(found))

    def _typed(self, words: Iterable[str], column: str | None) -> list[str]:
        """Words of the mapping as a column of another type than text has them: True and 1 are `true` of a bool."""
        if column is None:
            return list(words)
        kind = self._cells.column(column).type
        return [typed_text(word, kind) or word for word in words]

    def numbers(self, field: str, source: TextSource | AttributeSource) -> list[float | None]:
        """The field as numbers, None where missing or not finite."""
        name = source.columns[0] if source.columns else None
        if isinstance(source, TextSource) and source.changes_text:
            array = self.text(field, source)
        else:
            array = self._cells.typed_source(source, self._faults)
        if pa.types.is_string(array.type) or pa.types.is_null(array.type):
            texts = array.cast(pa.string())
            wrong = as_mask(pc.invert(pc.match_substring_regex(texts, _NUMBER)))
            self._faults.column(name).add(
                wrong, lambda index: f"{texts[index].as_py()!r} is not a number, which {field} requires."
            )
            array = pc.utf8_trim_whitespace(pc.if_else(pa.array(wrong), None, texts))
        try:
            numbers = array.cast(pa.float64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ColumnError(name, f"a column of {array.type} holds no numbers, which {field} requires.") from error
        finite = pc.is_finite(numbers).fill_null(False)
        return pc.if_else(finite, numbers, None).to_pylist()  # type: ignore[no-any-return]

    def flags(self, source: TextSource) -> Iterable[bool | None]:
        """The field as booleans: `true` and `false`."""
        texts = self.text("card_present", source)
        if isinstance(texts, str):
            return repeat(texts == "true")
        self.choices("card_present", texts, source.columns[0] if source.columns else None, ("true", "false"))
        return pc.equal(texts, "true").to_pylist()  # type: ignore[no-any-return]

    def attributes(self, sources: dict[str, AttributeSource]) -> list[dict[str, Any] | None]:
        """The attributes of each payment; None where all are missing."""
        columns = [list(self._attribute(name, source)) for name, source in sources.items()]
        names = tuple(sources)
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None} or None
            for row in zip(*columns, strict=True)
        ]

    def _attribute(self, name: str, source: AttributeSource) -> Iterable[Any]:
        if source.type == "number":
            return self.numbers(name, source)
        if source.constant is not None:
            texts = pa.repeat(source.constant, self._cells.n)
        else:
            texts = self._cells.source(source, self._faults)
        if source.type == "text":
            return texts.to_pylist()  # type: ignore[no-any-return]
        yes = pc.is_in(texts, value_set=pa.array(["1", "true", "True", "TRUE", "yes", "Yes"]))
        no = pc.is_in(texts, value_set=pa.array(["0", "false", "False", "FALSE", "no", "No"]))
        wrong = pc.and_(pc.invert(pc.or_(yes, no)), texts.is_valid())
        column = source.columns[0] if source.columns else None
        self._faults.column(column).add(wrong, lambda i: f"{texts[i].as_py()!r} is neither true nor false.")
        return pc.if_else(texts.is_valid(), yes, None).to_pylist()  # type: ignore[no-any-return]

    def labels(self, source: LabelSource | None) -> npt.NDArray[np.int8]:
        """Label of each payment: 1 fraud, 0 genuine, -1 unlabelled; int8, shape (n,)."""
        labels = np.full(self._cells.n, LABEL_NONE, np.int8)
        if source is None:
            return labels
        texts = self._cells.texts(source.column, self._faults)
        texts = texts.fill_null("")
        known = as_mask(pc.equal(texts, ""))
        for meaning in ("unlabelled", "genuine", "fraud"):
            words = self._typed(getattr(source, meaning), source.column)
            chosen = as_mask(pc.is_in(texts, value_set=pa.array(words, pa.string())))
            labels[chosen] = _LABELS[meaning]
            known |= chosen
        if source.otherwise is not None:
            labels[~known] = _LABELS[source.otherwise]
            return labels
        expected = listed((*source.fraud, *source.genuine, *source.unlabelled))
        self._faults.column(source.column).add(
            ~known, lambda i: f"{texts[i].as_py()!r} is not a label of the mapping; expected {expected}."
        )
        return labels


def _has_blanks(texts: Any) -> bool:
    return bool(pc.any(pc.not_equal(pc.utf8_trim_whitespace(texts), texts)).as_py())


def _fractional_sentence(array: Any, field: str, index: int) -> str:
    return FRACTIONAL.format(value=array[index], field=field)


def _reformatted_sentence(texts: Any, name: str, index: int) -> str:
    return REFORMATTED.format(value=texts[index].as_py(), column=name)


def _ambiguity_sentence(words: Any, name: str, index: int) -> str:
    return ambiguity(words[index].as_py(), name)


def upper_hint(text: str | None, choices: Collection[str]) -> str:
    """The options of a mapping that make `text` one of `choices`; '' if none do.

    >>> upper_hint(" eur", ("EUR",))
    ' Set `trim: true` and `upper: true` to read it as EUR.'
    """
    text = text or ""
    meant = text.strip().upper()
    if text in choices or meant not in choices:
        return ""
    options = ["`trim: true`"] if text != text.strip() else []
    options += ["`upper: true`"] if text.strip() != meant else []
    return f" Set {' and '.join(options)} to read it as {meant}."


def listed(values: tuple[str, ...]) -> str:
    """The values, or the first of many, for a message."""
    return ", ".join(values) if len(values) <= 12 else ", ".join(values[:3]) + ", …"
