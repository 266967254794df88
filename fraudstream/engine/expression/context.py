"""The text and the symbols of the expression that is being checked, and the errors that point into it."""

from __future__ import annotations

from typing import NoReturn

from fraudstream.contracts.nearest_name import nearest
from fraudstream.engine.expression.fault import ExpressionError, Fault, fault_at
from fraudstream.engine.expression.parser import Syntax
from fraudstream.engine.expression.typed import Typed
from fraudstream.engine.expression.types import Origin, Symbols, Type


class Context:
    """One expression under check. `names`: the symbols that it reads, filled on the way.

    `noted`: the faults that did not end the check, in the order in which they were found.
    """

    def __init__(self, source: str, symbols: Symbols, origin: Origin) -> None:
        self.names: set[str] = set()
        self.noted: list[Fault] = []
        self._source, self._symbols, self._origin = source, symbols, origin

    def type_of(self, syntax: Syntax) -> Type:
        """The type of the symbol that a name refers to. Raises `ExpressionError` for an unknown name."""
        name = syntax.text
        found = self._symbols.get(name)
        if found is None and name.startswith("lists."):
            self.fail(syntax, f"'{name}' is used with 'in': a field, such as device_id, in {name}.")
        if found is None:
            self.fail(syntax, f"no field or feature '{name}'.{nearest(name, self._symbols) or _hint(name)}")
        self.names.add(name)
        return found

    def described(self, typed: Typed) -> str:
        """A part and its type, for an error: "'amount' is an amount of money"."""
        return f"'{self.text(typed.syntax)}' is {typed.type.value}"

    def text(self, syntax: Syntax) -> str:
        """A part as written, with white space normalised."""
        return " ".join(self._source[syntax.start : syntax.end].split())

    def fail(self, syntax: Syntax, sentence: str) -> NoReturn:
        """Raise the error for a part."""
        raise self.error(syntax, sentence)

    def note(self, syntax: Syntax, sentence: str) -> None:
        """Add a fault of a part to `noted`, and continue: the rest of the expression can be checked."""
        self.noted.append(self.error(syntax, sentence).fault)

    def error(self, syntax: Syntax, sentence: str) -> ExpressionError:
        """The error for a part, at its beginning in the file."""
        return ExpressionError(fault_at(self._source, syntax.start, self._origin, sentence))


def _hint(name: str) -> str:
    """A hint for a bare word that is not a known name."""
    if name.lower() in ("null", "none", "nil"):
        return " To ask whether there is a value, write 'is missing' or 'is present'."
    return "" if "." in name else " Write text in quotes."
