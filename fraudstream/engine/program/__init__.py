"""Filters, derived features, rules and score of a rule set, compiled to lines for one compiled interpreter.

    expressions ──compiler──► lines ──► code          once for a rule set, in milliseconds
    frame ──interpreter──► derived features, bits of filters and rules, points of parts

`expression.nodes` evaluates the same expressions with numpy and says what each means; both agree to the bit.
"""

from fraudstream.engine.program.compiler import OutsideCondition
from fraudstream.engine.program.program import Program, Results, filter_program, verdict_program

__all__ = ["OutsideCondition", "Program", "Results", "filter_program", "verdict_program"]
