"""Decisions over HTTP: a payment in, its decision out, within a deadline.

`intake` and below know no web framework; `web` has the pages of the API, `access` says who may use it.
"""
