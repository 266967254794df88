"""Programs: what they share, what they ask of Python, and the arrays that they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fraudstream.engine.catalogue import Derived
from fraudstream.engine.digest import PUBLIC_KEY, digest_column
from fraudstream.engine.expression import (
    DistinctTexts,
    Expression,
    Origin,
    Type,
    ValueList,
    Values,
    compile_expression,
    condition_nodes,
    distinct_texts,
    nodes,
)
from fraudstream.engine.expression.nodes import Quantity
from fraudstream.engine.frame import Frame, FrameLayout, new_frame
from fraudstream.engine.program import Program, filter_program, interpreter, verdict_program
from fraudstream.engine.program.compiler import Compiler
from fraudstream.engine.program.lines import Operand
from fraudstream.engine.program.operations import BIT, BLOCK

SYMBOLS = {"amount": Type.MONEY, "x": Type.NUMBER, "kind": Type.TEXT, "size": Type.NUMBER, "flag": Type.BOOL}
LAYOUT = FrameLayout(("amount", "x", "flag", "size", "lists.watch"), ("kind",), ())
KINDS = ["Fee", None, "fee", "top_up"]
LISTS = {"watch": ValueList("kind", "watch", "")}


def expression(source: str, type_: Type = Type.BOOL) -> Expression:
    return compile_expression(source, SYMBOLS, type_, Origin("rule.yaml"), LISTS, None)


def filters(*sources: str) -> Program:
    return filter_program([expression(source) for source in sources], LAYOUT, PUBLIC_KEY)


def frame_of(n: int = 4) -> Frame:
    """Payments of 0, 1, 2, … minor units; `x` is 1 less; every third has no flag; kinds in turn."""
    frame = new_frame(LAYOUT, n)
    frame.number[0], frame.number[1] = np.arange(n), np.arange(n) - 1
    frame.number[2] = np.resize([1.0, 0.0, np.nan], n)
    frame.number[3:] = 0.0
    frame.digest[0] = digest_column((KINDS * n)[:n], PUBLIC_KEY)
    frame.minor_per_major[:] = 100.0
    return frame


class Texts:
    """The texts of the frame's kinds; as `expression.ColumnSource`, of which it has no more. `asked`: how often."""

    n, digest_key, asked = 4, PUBLIC_KEY, 0

    @property
    def minor_per_major(self) -> Values:
        raise NotImplementedError

    def column(self, name: str) -> Any:
        raise NotImplementedError

    def distinct_texts(self, name: str) -> DistinctTexts:
        assert name == "kind"
        self.asked += 1
        return distinct_texts(KINDS)


def bit(program: Program, k: int = 0, columns: Texts | None = None) -> list[int]:
    """Bit k of the four payments."""
    bits: list[int] = (program.run(frame_of(), columns).true[0] >> np.uint64(k) & np.uint64(1)).tolist()
    return bits


def test_a_condition_that_two_filters_share_is_computed_once() -> None:
    source = "x > 1 and kind == 'fee'"
    assert len(filters(source, source).code.lines) == len(filters(source).code.lines) + 1  # the line of the second bit
    shared = filters("x > 1", "x > 1 or flag")
    assert len(shared.code.lines) == len(filters("x > 1 or flag").code.lines) + 1
    assert [bit(shared, 0), bit(shared, 1)] == [[0, 0, 0, 1], [1, 0, 0, 1]]


def test_rows_of_the_scratch_are_used_again() -> None:
    many = filters(*[f"x * {k} + x > {k} and x - {k} < 7" for k in range(2, 30)])
    assert many.code.scratch_truths <= 4
    assert many.code.scratch_numbers - len(many.code.constants) <= 4


def test_conditions_compared_in_each_other_are_compiled_once() -> None:
    class Counting(Compiler):
        quantities = 0

        def quantity(self, node: Quantity) -> Operand:
            self.quantities += 1
            return super().quantity(node)

    source = "flag"
    for number in range(20):
        source = f"(x > {number}) == ({source})"
    compiler = Counting(LAYOUT, PUBLIC_KEY)
    compiler.condition(expression(source).condition, True)
    assert 0 < compiler.quantities < 200  # not 2**20


def test_both_zeros_are_constants_of_their_own() -> None:
    layout = FrameLayout(("up", "down"), (), ())
    derived = [
        Derived(name, Type.NUMBER, expression(text, Type.NUMBER)) for name, text in (("up", "0"), ("down", "-0"))
    ]
    frame = new_frame(layout, 1)
    frame.minor_per_major[:] = 1.0
    verdict_program(derived, [], [], layout, PUBLIC_KEY).run(frame)
    assert np.signbit(frame.number[:, 0]).tolist() == [False, True]


def test_a_rule_may_read_a_derived_feature() -> None:
    size = Derived("size", Type.NUMBER, expression("x * 2", Type.NUMBER))
    odd = Derived("flag", Type.BOOL, expression("x == 1", Type.BOOL))
    frame = frame_of()
    program = verdict_program([size, odd], [], [], LAYOUT, PUBLIC_KEY)
    program.run(frame)
    assert frame.number[3].tolist() == [-2.0, 0.0, 2.0, 4.0]
    assert frame.number[2].tolist() == [0.0, 0.0, 1.0, 0.0]


def test_a_list_is_read_from_its_row() -> None:
    frame = frame_of()
    frame.number[4] = [0.0, 0.0, 1.7e12, 2.0**63]
    on = filters("kind in lists.watch", "kind not in lists.watch").run(frame).true[0]
    assert on.tolist() == [2, 0, 1, 1]  # a missing kind is neither on the list nor off it


def test_a_condition_on_texts_is_asked_of_python_once() -> None:
    columns = Texts()
    program = filters("lower(kind) == 'fee'", "lower(kind) == 'fee' and amount < 0.02", "not lower(kind) == 'fee'")
    assert len(program.outside) == 2  # where it is true, and where it is false
    assert bit(program, 0, columns) == [1, 0, 1, 0]
    assert bit(program, 1, columns) == [1, 0, 0, 0]
    assert bit(program, 2, columns) == [0, 0, 0, 1]


def test_texts_are_not_asked_for_where_no_condition_looks_into_them() -> None:
    assert filters("kind == 'fee'", "kind is missing").outside == ()
    assert bit(filters("kind in ('fee', 'top_up')")) == [0, 0, 1, 1]
    assert bit(filters("kind != 'fee'")) == [1, 0, 0, 1]


def test_a_program_of_nothing_gives_a_word_of_zeros_and_no_points() -> None:
    results = filters().run(frame_of())
    assert results.true.tolist() == [[0, 0, 0, 0]]
    assert results.points.shape == (0, 4)


def test_a_frame_without_numbers_may_be_asked_about_constants() -> None:
    layout = FrameLayout((), ("kind",), ())
    frame = new_frame(layout, 2)
    frame.digest[0], frame.minor_per_major[:] = digest_column(["fee", None], PUBLIC_KEY), 1.0
    never = condition_nodes.QuantityMissing(nodes.Magnitude(nodes.Negative(nodes.MajorUnits(np.float64(2)))))
    conditions: list[nodes.Condition] = [
        never,
        condition_nodes.Not(never),
        condition_nodes.TextMissing(nodes.TextColumn("kind")),
    ]
    compiler = Compiler(layout, PUBLIC_KEY)
    for number, condition in enumerate(conditions):
        compiler.lines.write(BIT, number, compiler.condition(condition, True))
    assert Program(compiler.lines.code(), ()).run(frame).true.tolist() == [[2, 6]]


def test_a_frame_without_payments_has_no_results() -> None:
    assert filters("x > 1").run(frame_of(0)).true.shape == (1, 0)


def test_a_name_without_a_row_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="no row of numbers for 'amount'"):
        filter_program([expression("amount > 1")], FrameLayout(("x",), (), ()), PUBLIC_KEY)


def test_a_node_of_an_unknown_kind_says_where_to_add_it() -> None:
    class Unknown:
        def values(self, columns: object) -> float:
            return 0.0

    with pytest.raises(TypeError, match=r"Unknown can't be compiled: add it to engine/program/compiler\.py"):
        Compiler(LAYOUT, PUBLIC_KEY).quantity(Unknown())


Cut = Callable[[Any], Any]
FEWER_ROWS: Cut = lambda array: array[:-1].copy()  # noqa: E731
NARROWER: Cut = lambda array: array[..., :-1].copy()  # noqa: E731


@pytest.mark.parametrize("cut", [FEWER_ROWS, NARROWER])
@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        (1, "too few numbers"),
        (2, "too few digests"),
        (3, "too few numbers"),
        (4, "too few answers of outside conditions"),
        (5, "scratch has too few numbers"),
        (6, "scratch has too few truths"),
        (7, "too few words"),
        (8, "too few rows for the points"),
    ],
)
@pytest.mark.parametrize("n", [3, BLOCK + 1])
def test_an_array_that_is_too_small_is_refused(argument: int, sentence: str, cut: Cut, n: int) -> None:
    code = filters("lower(kind) == 'fee' or x > 1").code._replace(parts=1)
    frame, width = frame_of(n), min(n, BLOCK)
    arguments: list[Any] = [
        code,
        frame.number,
        frame.digest,
        frame.minor_per_major,
        np.zeros((code.outside, n), np.bool_),
        np.empty((code.scratch_numbers, width)),
        np.empty((code.scratch_truths, width), np.uint8),
        np.empty((1, n), np.uint64),
        np.empty((1, n), np.int32),
        n,
    ]
    interpreter.run(*arguments)
    arguments[argument] = cut(arguments[argument])
    with pytest.raises(ValueError, match=sentence):
        interpreter.run(*arguments)
