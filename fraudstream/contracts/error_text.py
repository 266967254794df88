"""Errors in words for people: no error numbers, no Python notation."""

from __future__ import annotations

import os


def system_error_text(error: OSError) -> str:
    """The system's sentence, without error number, file name or full stop; the error's own text if it has no number.

    Arrow raises an `OSError` whose text holds its own words and the number twice.

    >>> system_error_text(OSError(28, "Error writing bytes to file. Detail: [errno 28] No space left on device"))
    'No space left on device'
    """
    return os.strerror(error.errno) if error.errno else str(error).rstrip(".") or type(error).__name__


def read_error_text(error: OSError | UnicodeDecodeError) -> str:
    """Why a text file cannot be read: the system's sentence, or the place of the first byte that is not UTF-8.

    >>> read_error_text(UnicodeDecodeError("utf-8", b"caf\\xe9", 3, 4, "invalid continuation byte"))
    'not UTF-8 at byte 3'
    """
    return f"not UTF-8 at byte {error.start}" if isinstance(error, UnicodeDecodeError) else system_error_text(error)


def error_text(error: BaseException) -> str:
    """The message of an error; the name of its type where it has none.

    >>> error_text(ValueError("no such partition.")), error_text(TimeoutError())
    ('no such partition', 'TimeoutError')
    """
    if isinstance(error, OSError):
        return system_error_text(error)
    return str(error).rstrip(".") or type(error).__name__
