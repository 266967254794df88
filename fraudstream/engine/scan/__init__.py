"""Payments to columns, straight from the bytes: the fast way of a plain record into a `Frame`.

A record is *plain* if it is written as most publishers write it: ASCII text without escapes, numbers without exponents,
no field twice, flat attributes, and nothing to reject. Any other record is flagged, and msgspec and
`columns.read_columns` read it: the scanner never rejects and never words a sentence. What it takes follows from the
annotations of the contract (`scan.contract`).
"""

from fraudstream.engine.scan.scanner import Scanner

__all__ = ["Scanner"]
