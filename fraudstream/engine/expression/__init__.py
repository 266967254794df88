"""The expression language of rules, filters and score parts: typed, bounded, compiled once to vectorised numpy."""

from fraudstream.engine.expression.types import PAYMENT_FIELDS, WORDS_OF, Origin, Symbols, Type

__all__ = ["PAYMENT_FIELDS", "WORDS_OF", "Origin", "Symbols", "Type"]
