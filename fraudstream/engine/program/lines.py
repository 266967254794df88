"""Collects the lines of a program. Equal lines are computed once, and rows of the scratch are used again.

A line is added with operands that name results, not rows. `code` gives each result a row of the scratch that is free
from the line that computes it to the last one that reads it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from fraudstream.engine.program.operations import BIT, FIRST_COMPARISON, FIRST_OUTPUT, POINTS, Code


class Place(Enum):
    """Where an operand is: `NUMBER` and `TRUTH` are results of lines, numbered in the order in which they are added."""

    NOWHERE = auto()
    FRAME = auto()  # a row of the frame's numbers
    DIGEST = auto()  # a row of the frame's digests
    CONSTANT = auto()
    WORD = auto()
    OUTSIDE = auto()
    NUMBER = auto()
    TRUTH = auto()


class Operand(NamedTuple):
    """What a line reads. `number`: its row, or its number among the operands of the same place."""

    place: Place = Place.NOWHERE
    number: int = 0


NOTHING = Operand()


class _Line(NamedTuple):
    operation: int
    target: Operand
    left: Operand
    right: Operand
    argument: int


class Lines:
    """The lines of one program. `numbers`, `digests`: the rows of these in a frame."""

    def __init__(self, numbers: int, digests: int) -> None:
        self._numbers, self._digests = numbers, digests
        self._lines: list[_Line] = []
        self._results: dict[tuple[int, Operand, Operand, int], Operand] = {}
        self._constants: dict[bytes, Operand] = {}
        self._words: list[int] = []
        self._results_of = {Place.NUMBER: 0, Place.TRUTH: 0}

    def constant(self, value: float) -> Operand:
        """A number that is the same for all payments. Numbers with other bits are other constants, so -0.0 is kept."""
        return self._constants.setdefault(np.float64(value).tobytes(), Operand(Place.CONSTANT, len(self._constants)))

    def words(self, digests: list[int]) -> Operand:
        """The first of some words, which follow each other."""
        first = next(
            (k for k in range(len(self._words)) if self._words[k : k + len(digests)] == digests), len(self._words)
        )
        if first == len(self._words):
            self._words += digests
        return Operand(Place.WORD, first)

    def add(self, operation: int, left: Operand = NOTHING, right: Operand = NOTHING, argument: int = 0) -> Operand:
        """Add a line that computes a number or a truth, unless there is an equal one; returns its result."""
        assert operation < FIRST_OUTPUT, f"operation {operation} has no result"
        key = (operation, left, right, argument)
        result = self._results.get(key)
        if result is None:
            place = Place.NUMBER if operation < FIRST_COMPARISON else Place.TRUTH
            result = self._results[key] = Operand(place, self._results_of[place])
            self._results_of[place] += 1
            self._lines.append(_Line(operation, result, left, right, argument))
        return result

    def write(self, operation: int, target: int, left: Operand, right: Operand = NOTHING, argument: int = 0) -> None:
        """Add a line that writes a result of the program, or a row of the frame, to `target`."""
        self._lines.append(_Line(operation, Operand(Place.FRAME, target), left, right, argument))

    def code(self) -> Code:
        """The program of all lines added so far."""
        rows = _Rows(self._lines, len(self._constants))
        lines = [rows.placed(position) for position in range(len(self._lines))]
        outside = [o.number + 1 for line in self._lines for o in (line.left, line.right) if o.place is Place.OUTSIDE]
        return Code(
            lines=np.array(lines, np.int64).reshape(-1, 5),
            constants=np.frombuffer(b"".join(self._constants), np.float64),
            words=np.array(self._words, np.uint64),
            numbers=self._numbers,
            digests=self._digests,
            scratch_numbers=len(self._constants) + rows.used[Place.NUMBER],
            scratch_truths=rows.used[Place.TRUTH],
            outside=max(outside, default=0),
            bits=self._written_by(BIT),
            parts=self._written_by(POINTS),
        )

    def _written_by(self, operation: int) -> int:
        """How many targets the lines of an operation write."""
        return max((line.target.number + 1 for line in self._lines if line.operation == operation), default=0)


class _Rows:
    """Gives results their rows of the scratch. The first `constants` rows of numbers hold these. `used`: rows by place.

    A result never gets the row of an operand of its line: the loop over a row that is read and written at once can't
    use vector instructions.
    """

    def __init__(self, lines: list[_Line], constants: int) -> None:
        self.used = {Place.NUMBER: 0, Place.TRUTH: 0}
        self._lines, self._constants = lines, constants
        self._free: dict[Place, list[int]] = {Place.NUMBER: [], Place.TRUTH: []}
        self._row: dict[Operand, int] = {}
        self._read_last = {
            operand: position for position, line in enumerate(lines) for operand in (line.target, line.left, line.right)
        }

    def placed(self, position: int) -> tuple[int, int, int, int, int]:
        """The line at `position` with its rows; to be called for each line, in order."""
        line = self._lines[position]
        if line.target.place in self.used:
            self._row[line.target] = self._taken(line.target.place)
        target, left = self._encoded(line.target), self._encoded(line.left)
        right = left if line.right is NOTHING else self._encoded(line.right)  # a row that exists, though it is not used
        for operand in {line.target, line.left, line.right}:
            if operand.place in self.used and self._read_last[operand] == position:
                self._free[operand.place].append(self._row[operand])
        return line.operation, target, left, right, line.argument

    def _taken(self, place: Place) -> int:
        if self._free[place]:
            return self._free[place].pop()
        self.used[place] += 1
        return self.used[place] - 1

    def _encoded(self, operand: Operand) -> int:
        match operand.place:
            case Place.CONSTANT:
                return ~operand.number
            case Place.NUMBER:
                return ~(self._constants + self._row[operand])
            case Place.TRUTH:
                return self._row[operand]
            case _:
                return operand.number
