"""`fraudstream up`: all of it on this machine, embedded: broker, Redis, workers, cases, payments, and a live board."""

from fraudstream.cli.up.command import add_parser, run

__all__ = ["add_parser", "run"]
