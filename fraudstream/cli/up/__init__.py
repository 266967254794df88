"""`fraudstream up`: the whole system on this machine, with an embedded broker and Redis, payments and a live board."""

from fraudstream.cli.up.command import add_parser, run

__all__ = ["add_parser", "run"]
