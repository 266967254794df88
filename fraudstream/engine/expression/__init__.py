"""The expression language of rules, filters and score parts: typed, bounded, compiled once to vectorised numpy."""

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.expression.columns import Array, ColumnSource, Truth, Values
from fraudstream.engine.expression.expression import Comparison, Expression, compile_expression
from fraudstream.engine.expression.fault import ExpressionError, Fault, fault_at
from fraudstream.engine.expression.types import PAYMENT_FIELDS, WORDS_OF, Origin, Symbols, Type, ValueList, ValueLists

__all__ = [
    "PAYMENT_FIELDS",
    "WORDS_OF",
    "Array",
    "ColumnSource",
    "Comparison",
    "Expression",
    "ExpressionError",
    "Fault",
    "Origin",
    "Symbols",
    "Truth",
    "Type",
    "ValueList",
    "ValueLists",
    "Values",
    "compile_expression",
    "fault_at",
    "nearest",
]
