"""What every format makes of a message: its transactions, each with the texts that the columns of a mapping name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from fraudstream.contracts.dead_letter import ReasonCode

MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024  # of a message on a topic; a file of XML may be larger


class MessageError(Exception):
    """A message that cannot be read. `reason`: code as in a dead letter; `sentence`: what is wrong; `path`: where, in
    the notation of the format: an XPath, `DE4`, `$.amount`."""

    def __init__(self, reason: ReasonCode, sentence: str, path: str) -> None:
        super().__init__(f"{path}: {sentence}" if path else sentence)
        self.reason: ReasonCode = reason
        self.sentence = sentence
        self.path = path


class TransactionFault(NamedTuple):
    """Why a transaction gives no row. `column`: index of the column that cannot be read."""

    column: int
    sentence: str


class Transaction(NamedTuple):
    """One transaction of a message. `values`: the text of each column, None where it is missing. `path_of`: the path of
    a column by its index, or of the whole transaction. `fault`: the first value that could not be read."""

    values: list[str | None]
    path_of: Callable[[int | None], str]
    fault: TransactionFault | None = None


class MessageFormat(Protocol):
    """Reads messages of one kind. It is made with the columns of a mapping, and gives their values in that order."""

    def transactions(self, message: bytes, published_at_ms: int | None) -> Sequence[Transaction]:
        """The transactions of a message, at least one.

        `published_at_ms`: when it was published, ms since the epoch, UTC, for times without a year; None: unknown.
        Raises `MessageError` for a message that cannot be read: then none of its transactions counts.
        """
