"""The operations of a program's lines, by number, and the program as the interpreter reads it.

A line computes one row from at most two others, for a block of payments: `operation, target, left, right, argument`.
There are four kinds of rows:

    numbers   float64, NaN missing. A row of the frame is written as its index, a row of the scratch as ~index.
    truths    uint8, 0 or 1: rows of the scratch only.
    digests   uint64, 0 missing: rows of the frame, only read.
    outside   bool: conditions that Python has evaluated before, only read.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from fraudstream.engine.arrays import Float64Array, Int64Array, UInt64Array

BLOCK: Final = 512  # payments that one pass over the lines takes: the rows of a block stay in the cache

OPERATION, TARGET, LEFT, RIGHT, ARGUMENT = range(5)  # the columns of a line

# A number from one or two numbers.
ADD, SUBTRACT, MULTIPLY, DIVIDE, QUOTIENT, MINIMUM, MAXIMUM, ROUND_DOWN, ABSOLUTE, NEGATIVE = range(10)
COPY = 10
SHARE = 11  # the number limited to 0 and 1; 0 where it is missing
MINOR_UNITS = 12  # major units, of the payment's currency, as minor units, to the nearest
RARITY, BURST = 13, 14  # bits, as in `surprisal`

# A truth from two numbers: 0 where one is missing.
LESS, LESS_EQUAL, EQUAL, UNEQUAL = range(15, 19)

# A truth from one or two truths. `AND_NOT`: the left and not the right one. `ALWAYS`: `argument`, which is 0 or 1.
AND, OR, AND_NOT, NOT, ALWAYS = range(19, 24)

# A truth from texts. `ONE_OF`: the digest on the left is one of `argument` words, from the index on the right on.
HAS_TEXT, SAME_TEXT, ONE_OF = range(24, 27)
OUTSIDE = 27  # row `left` of the conditions that Python has evaluated

# What a program gives. `FLAG`: into the frame's row `target`, 1 where the left truth holds, 0 where the right one does,
# NaN elsewhere. `BIT`: bit `target` of `true` from the left truth. `POINTS`: of part `target`, the share on the left of
# `argument` points where the right truth holds.
FLAG, BIT, POINTS = range(28, 31)

FIRST_COMPARISON, FIRST_CONNECTIVE, FIRST_OF_TEXTS, FIRST_OUTPUT = LESS, AND, HAS_TEXT, FLAG


class Code(NamedTuple):
    """A program as the interpreter reads it.

    `lines`: int64, shape (lines, 5), in the order in which they run. `constants`: numbers that the first rows of the
    scratch hold; float64. `words`: digests that texts are compared with; uint64. The others say how many rows of each
    kind the lines use: `numbers` and `digests` of the frame, `scratch_numbers` and `scratch_truths`, `outside`;
    `bits`: conditions with a bit in the result; `parts`: parts of a score.
    """

    lines: Int64Array
    constants: Float64Array
    words: UInt64Array
    numbers: int
    digests: int
    scratch_numbers: int
    scratch_truths: int
    outside: int
    bits: int
    parts: int
