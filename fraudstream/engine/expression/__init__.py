"""The expression language of rules, filters and score parts: typed, bounded, compiled once to vectorised numpy."""

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.expression.at_row import RowSource, TestOfRow, ValueOfRow
from fraudstream.engine.expression.columns import Array, ColumnSource, DistinctTexts, Truth, Values, distinct_texts
from fraudstream.engine.expression.domains import (
    ATTRIBUTE_CHARS_MAX,
    PAYMENT_DOMAINS,
    Bounds,
    Domain,
    Domains,
    Texts,
    WholeBounds,
    fault_of_text,
    text_domain,
)
from fraudstream.engine.expression.expression import Comparison, Expression, compile_expression
from fraudstream.engine.expression.fault import ExpressionError, Fault, fault_at
from fraudstream.engine.expression.types import (
    NETWORKS,
    PAYMENT_FIELDS,
    WORDS_OF,
    Origin,
    Symbols,
    Type,
    ValueList,
    ValueLists,
)

__all__ = [
    "ATTRIBUTE_CHARS_MAX",
    "NETWORKS",
    "PAYMENT_DOMAINS",
    "PAYMENT_FIELDS",
    "WORDS_OF",
    "Array",
    "Bounds",
    "ColumnSource",
    "Comparison",
    "DistinctTexts",
    "Domain",
    "Domains",
    "Expression",
    "ExpressionError",
    "Fault",
    "Origin",
    "RowSource",
    "Symbols",
    "TestOfRow",
    "Texts",
    "Truth",
    "Type",
    "ValueList",
    "ValueLists",
    "ValueOfRow",
    "Values",
    "WholeBounds",
    "compile_expression",
    "distinct_texts",
    "fault_at",
    "fault_of_text",
    "nearest",
    "text_domain",
]
