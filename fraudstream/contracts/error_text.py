"""Errors in words for people: no error numbers, no Python notation."""

from __future__ import annotations

import os
import re
import ssl
from typing import Final
from urllib.error import URLError

_NUMBER: Final = re.compile(r"\[Errno (\d+)\]")  # of an error that quotes others, as where a host has two addresses
_SSL_NOTATION: Final = re.compile(r"\[[^]]*\] *| *\(_ssl\.c:\d+\)")


def system_error_text(error: OSError) -> str:
    """The system's sentence, without error number, file name or full stop; the error's own text if it has no number.

    Arrow raises an `OSError` whose text holds its own words and the number twice, urllib one that only wraps another.
    An error of TLS has a number that is none of the system's.

    >>> system_error_text(OSError(28, "Error writing bytes to file. Detail: [errno 28] No space left on device"))
    'No space left on device'
    >>> system_error_text(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"))
    'TLS: wrong version number'
    >>> system_error_text(URLError(ConnectionRefusedError(111, "Connection refused")))
    'Connection refused'
    """
    if isinstance(error, URLError) and isinstance(error.reason, OSError):
        return system_error_text(error.reason)
    text = (error.strerror or str(error)).rstrip(".")
    if isinstance(error, ssl.SSLError):
        return f"TLS: {_SSL_NOTATION.sub('', text)}"
    if (error.errno or 0) > 0:
        return os.strerror(error.errno or 0)
    if (quoted := _NUMBER.search(text)) is not None:
        return os.strerror(int(quoted[1]))
    return text or _without_text(error)


def read_error_text(error: OSError | UnicodeDecodeError) -> str:
    """Why a text file cannot be read: the system's sentence, or the place of the first byte that is not UTF-8.

    >>> read_error_text(UnicodeDecodeError("utf-8", b"caf\\xe9", 3, 4, "invalid continuation byte"))
    'not UTF-8 at byte 3'
    """
    return f"not UTF-8 at byte {error.start}" if isinstance(error, UnicodeDecodeError) else system_error_text(error)


def error_text(error: BaseException) -> str:
    """The message of an error; the name of its type where it has none.

    >>> error_text(ValueError("no such partition.")), error_text(TimeoutError()), error_text(KeyError())
    ('no such partition', 'no answer in time', 'KeyError')
    """
    if isinstance(error, OSError):
        return system_error_text(error)
    return str(error).rstrip(".") or _without_text(error)


def _without_text(error: BaseException) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
