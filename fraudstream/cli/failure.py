"""The command line's own error: one plain sentence on stderr and an exit code."""

from __future__ import annotations

from fraudstream.supervision import exit_codes


class Failure(Exception):
    """`sentence` says what was wrong, where, and what to do about it; `code` is the exit code."""

    def __init__(self, sentence: str, code: int = exit_codes.FAILED) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
