"""The answer of a page that needs the rules in force where they cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fraudstream.console.web.errors import PageError
from fraudstream.operations.errors import OperationError


@contextmanager
def rules_readable() -> Iterator[None]:
    """Within the block rules, or lists, are read from the cluster. Raises `PageError` with the sentence of what that
    raises."""
    try:
        yield
    except OperationError as error:
        raise PageError(503, "rules", sentence=error.sentence) from error
