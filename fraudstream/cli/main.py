"""`fraudstream`: finds the command, reads the settings, runs it; an error ends in one sentence and an exit code.

Exit codes: 0 done, 1 the command failed (one sentence on stderr; `worker` and `cases` have more codes, see
their help), 2 wrong usage, 130 interrupted with Ctrl-C. An unforeseen error prints its traceback.

A command is a module of this package with `add_parser(subparsers)` and `run(args, settings) -> int`. Only the module of
the command that was called is imported, so that `fraudstream --help` and small commands start fast.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from fraudstream import __version__
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, load_settings, overrides_of
from fraudstream.compiled.cache import GIVEN as JIT_CACHE
from fraudstream.compiled.processor import NAMED, missing_instructions
from fraudstream.operations.errors import OperationError
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


class CommandModule(Protocol):
    """What a command's module provides."""

    def add_parser(self, subparsers: Subparsers) -> None:
        """Add the command with all its flags."""

    def run(self, args: argparse.Namespace, settings: Settings) -> int:
        """Run the command; returns its exit code. Raises `Failure` or `OperationError`."""


class Command(NamedTuple):
    """A command's name and its line in `fraudstream --help`."""

    name: str
    summary: str

    def module(self) -> CommandModule:
        """Its module, imported now."""
        return cast(CommandModule, import_module(f"fraudstream.cli.{self.name.replace('-', '_')}"))


COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command("up", "start everything on this machine: broker, Redis, workers, cases, payments, a live board"),
        Command("worker", "decide payments from Kafka: run as many as there are partitions"),
        Command("cases", "group alerts into cases; list, show, claim, release, note, close and reopen cases"),
        Command("notices", "list what customers were asked, and answer a notice as the bank's app does"),
        Command("webhooks", "tell other systems by HTTP what became of cases, and of alerts"),
        Command("history", "keep past payments and decisions in files; show, erase and check them"),
        Command("erase", "erase an account's personal data everywhere, or find where it is held"),
        Command("console", "serve the web console for analysts; manage its users and the tokens of its API"),
        Command("gateway", "decide payments over HTTP, within a deadline"),
        Command("send", "decide one payment, or several, at a gateway"),
        Command("audit", "list, export and verify the audit log: who did and who viewed what in the console"),
        Command("generate", "make realistic payments with labelled fraud, to a file or a topic"),
        Command("bridge", "turn a bank's topic of ISO 20022 or ISO 8583 messages into payments"),
        Command("publish", "publish a file of payments to the payments topic"),
        Command("replay", "run the engine over a file of payments and write decisions and alerts"),
        Command("evaluate", "measure how well score and rules find fraud: a report, and the figures as JSON"),
        Command("train", "learn a model from labelled payments"),
        Command("model", "import models trained elsewhere, export them, show their cards"),
        Command("explain", "decide a payment again from the log: why it was alerted or not, and whether that was sent"),
        Command("rules", "check the rules, run their test cases, compare them on payments, activate them"),
        Command("score", "tune the evidence score on payments and labels"),
        Command("lists", "add values to allow, deny and watch lists, remove them, show them"),
        Command("topics", "create the topics on a cluster, compare them, write their schemas"),
        Command("doctor", "check a cluster before it goes live: topics, permissions, clocks, retention, capacity"),
        Command("dead-letters", "list, show and replay records that could not be decided"),
        Command("state", "export the workers' state to a directory, back it up on a schedule, import it"),
        Command("config", "print every setting in force and where it comes from"),
        Command("bench", "measure throughput and latency on this machine"),
    )
}

EPILOG = """\
with every command:
  --config FILE              read settings from FILE (default: ./fraudstream.toml, if there)
  --set SECTION.NAME=VALUE   set one setting, over file and environment; may be given more than once

example:
  fraudstream up --workers 2
  fraudstream COMMAND --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except Failure as failure:
        print(f"fraudstream: {failure.sentence}", file=sys.stderr)
        return failure.code
    except OperationError as error:
        print(f"fraudstream: {error.sentence}", file=sys.stderr)
        return exit_codes.FAILED
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has exited (`fraudstream ... | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED


def _run(argv: list[str]) -> int:
    everywhere = argparse.ArgumentParser(
        prog="fraudstream", add_help=False, allow_abbrev=False, usage="fraudstream COMMAND ..."
    )
    everywhere.add_argument("--config", metavar="FILE")
    everywhere.add_argument("--set", metavar="SECTION.NAME=VALUE", action="append", default=[])
    common, rest = everywhere.parse_known_args(argv)

    called = COMMANDS.get(rest[0]) if rest else None
    args = parser(called).parse_args(rest)
    assert called is not None, "argparse accepted a command that is not in COMMANDS"
    settings = load_settings(common.config, os.environ, overrides_of(common.set, args))
    if settings.cache.directory is not None:
        os.environ[JIT_CACHE] = os.path.abspath(settings.cache.directory)  # for this process and those it starts
    if missing := missing_instructions(os.environ):
        raise Failure(
            f"this processor lacks {', '.join(missing)}, which compiled code may use under "
            f"{NAMED}={os.environ[NAMED]}. Unset {NAMED}, or build the image for this processor (docs/kubernetes.md).",
            exit_codes.REFUSED,
        )
    code = called.module().run(args, settings)
    sys.stdout.flush()  # here, so that `main` catches the BrokenPipeError, not the interpreter at its end
    return code


def parser(called: Command | None = None) -> argparse.ArgumentParser:
    """The command line: every command by name and summary, `called` with all its options."""
    top = argparse.ArgumentParser(
        prog="fraudstream",
        description="Decides payments as they happen: which ones are fraud, and why.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"fraudstream {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for command in COMMANDS.values():
        if command is called:
            command.module().add_parser(subparsers)
        else:
            subparsers.add_parser(command.name, help=command.summary)
    return top


if __name__ == "__main__":
    sys.exit(main())
