"""Filters, derived features, rules and a parts score as programs: made ready in milliseconds, run as machine code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np

from fraudstream.compiled.direct import Direct
from fraudstream.engine.arrays import BoolArray, Int32Array, UInt64Array
from fraudstream.engine.catalogue import Derived
from fraudstream.engine.digest import DigestKey
from fraudstream.engine.expression import ColumnSource, Expression, Type
from fraudstream.engine.frame import Frame, FrameLayout
from fraudstream.engine.learned_score.definition import EvidencePart
from fraudstream.engine.program import interpreter
from fraudstream.engine.program.compiler import Compiler, OutsideCondition
from fraudstream.engine.program.lines import Operand, Place
from fraudstream.engine.program.operations import (
    AND,
    BIT,
    BLOCK,
    COPY,
    DIVIDE,
    FLAG,
    MULTIPLY,
    POINTS,
    SHARE,
    SUBTRACT,
    Code,
)
from fraudstream.engine.rules import Rule
from fraudstream.engine.score import Part

F = TypeVar("F", bound=Callable[..., Any])
_config: Any = numba.config


class Results(NamedTuple):
    """What a program gives for `n` payments.

    `true`: uint64, shape (words, n): bit `k % 64` of word `k // 64` says whether filter or rule k is true; there is at
    least one word. `points`: millionths of each part, as `Part.points`; int32, shape (parts, n).
    """

    true: UInt64Array
    points: Int32Array


@dataclass(frozen=True, slots=True)
class Program:
    """Conditions and points of one layout, ready to run. `outside`: the conditions that Python evaluates beforehand."""

    code: Code
    outside: tuple[OutsideCondition, ...]

    def run(self, frame: Frame, columns: ColumnSource | None = None) -> Results:
        """Results for all payments of a frame. Writes the rows of derived features in `frame.number`.

        `columns`: of the same payments; they are read only if there are `outside` conditions.
        """
        return self.run_with(frame, self.outside_answers(len(frame.minor_per_major), columns))

    def run_with(self, frame: Frame, outside: BoolArray) -> Results:
        """As `run`, with the answers of the outside conditions as `outside_answers` gives them."""
        code, n = self.code, len(frame.minor_per_major)
        true = np.empty((max(1, -(-code.bits // 64)), n), np.uint64)
        points = np.empty((code.parts, n), np.int32)
        width = min(n, BLOCK)
        scratch_number = np.empty((code.scratch_numbers, width), np.float64)
        scratch_truth = np.empty((code.scratch_truths, width), np.uint8)
        _run(
            code,
            frame.number,
            frame.digest,
            frame.minor_per_major,
            outside,
            scratch_number,
            scratch_truth,
            true,
            points,
            n,
        )
        return Results(true, points)

    def outside_answers(self, n: int, columns: ColumnSource | None) -> BoolArray:
        """Where each outside condition holds, as `interpreter.run` takes it: bool, shape (outside, n)."""
        answers = np.empty((len(self.outside), n), np.bool_)
        for row, (condition, wanted) in enumerate(self.outside):
            assert columns is not None, f"{condition} looks into texts"
            answers[row] = condition.true(columns) if wanted else condition.false(columns)
        return answers


def filter_program(filters: Sequence[Expression], layout: FrameLayout, key: DigestKey) -> Program:
    """Bit k of the results is filter k. `layout`: of the frames. `key`: of their digests."""
    compiler = Compiler(layout, key)
    _add_bits(compiler, filters)
    return Program(compiler.lines.code(), tuple(compiler.outside))


def verdict_program(
    derived: Sequence[Derived],
    rules: Sequence[Rule],
    parts: Sequence[Part],
    layout: FrameLayout,
    key: DigestKey,
    evidence: Mapping[str, EvidencePart] = MappingProxyType({}),
) -> Program:
    """Writes derived features, and the values of evidence, into the frame; bit k of the results is rule k, row k of the
    points is part k.

    `layout`: of the frames. `key`: of their digests. `evidence`: by the name of the row that its value is written to.
    """
    compiler = Compiler(layout, key)
    for feature in derived:  # first, as rules and parts read their rows
        _derive(compiler, feature)
    _add_bits(compiler, [rule.when for rule in rules])
    for number, part in enumerate(parts):
        _add_part(compiler, number, part)
    for name, of_evidence in evidence.items():
        _add_value(compiler, compiler.number_row(name), of_evidence)
    return Program(compiler.lines.code(), tuple(compiler.outside))


def _add_bits(compiler: Compiler, expressions: Sequence[Expression]) -> None:
    for bit, expression in enumerate(expressions):
        compiler.lines.write(BIT, bit, compiler.condition(expression.condition, True))


def _derive(compiler: Compiler, derived: Derived) -> None:
    row, expression = compiler.number_row(derived.name), derived.expression
    if derived.type is Type.BOOL:
        true, false = (compiler.condition(expression.condition, wanted) for wanted in (True, False))
        compiler.lines.write(FLAG, row, true, false)
    else:
        compiler.lines.write(COPY, row, compiler.quantity(expression.quantity))


def _add_part(compiler: Compiler, number: int, part: Part) -> None:
    """The points of a part, by the formula of `Part.points`."""
    lines = compiler.lines
    counts = compiler.always(True) if part.when is None else compiler.condition(part.when.condition, True)
    if part.start is None or part.end is None:
        share, holds = lines.constant(1.0), compiler.condition(part.value.condition, True)
        counts = lines.add(AND, holds, counts)
    else:
        value, start, end = (compiler.quantity(of.quantity) for of in (part.value, part.start, part.end))
        ratio = lines.add(DIVIDE, lines.add(SUBTRACT, value, start), lines.add(SUBTRACT, end, start))
        share = lines.add(SHARE, ratio)
    lines.write(POINTS, number, share, counts, part.points_max)


def _add_value(compiler: Compiler, row: int, part: EvidencePart) -> None:
    """The value of a part of an evidence score, where `when` is true; elsewhere NaN."""
    lines, value = compiler.lines, part.value
    counts = None if part.when is None else compiler.condition(part.when.condition, True)
    if value.type is Type.BOOL:
        true, false = (compiler.condition(value.condition, wanted) for wanted in (True, False))
        if counts is not None:
            true, false = lines.add(AND, true, counts), lines.add(AND, false, counts)
        lines.write(FLAG, row, true, false)
        return
    number = compiler.quantity(value.quantity)
    if counts is not None:
        lines.write(FLAG, row, counts, compiler.always(False))  # 1 where it counts, else NaN
        number = lines.add(MULTIPLY, number, Operand(Place.FRAME, row))
    lines.write(COPY, row, number)


def _without_warnings(function: F) -> F:
    """In plain Python numpy warns of what machine code does not mention: overflow, NaN, division by zero."""
    quiet: F = np.errstate(all="ignore")(function) if _config.DISABLE_JIT else function
    return quiet


_run = Direct(_without_warnings(interpreter.run))
