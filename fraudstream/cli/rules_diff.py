"""`fraudstream rules diff`: what changed rules make of the same payments."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fraudstream.cli.cluster_command import SHORT_S_MAX, run_on_cluster
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.payment_file_flags import add_reading, file_failure, open_payment_files, skipped_rows_text
from fraudstream.cli.replayed_rules import listed_values
from fraudstream.cli.rule_difference_progress import Advance, difference_progress
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import add_label_delay, date_ms, duration_ms

if TYPE_CHECKING:
    from fraudstream.backtest.replay import ListedValue
    from fraudstream.backtest.rule_comparison import ComparisonOptions
    from fraudstream.cli.main import Subparsers
    from fraudstream.contracts.control import ListEntry
    from fraudstream.engine.rule_set import RuleSet
    from fraudstream.evaluation.rule_difference import RuleDifference
    from fraudstream.operations.rules_in_force import InForce

BATCH_SIZE: Final = 20_000
ACTIVE: Final = "active"

EXAMPLES = """examples:
  fraudstream rules diff rules new_rules --on payments.parquet --mapping generated --since 2026-03-08
  fraudstream rules diff active rules --topics --last 24h --warm-up 30d
  fraudstream rules diff main_rules rules --on payments.jsonl --markdown > difference.md
"""


def add_parser(actions: Subparsers) -> None:
    """Add `rules diff`."""
    diff = actions.add_parser(
        "diff",
        help="what changed rules make of the same payments: alerts gained, lost and unchanged, rule by rule",
        description=(
            "Replays the same payments under two directories of rules, and compares the alerts: their number, money, "
            "labels and the hours to work them, each rule, and what new rules overlap with. Changes nothing."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    diff.add_argument("old", metavar="OLD", help=f"directory of rules; '{ACTIVE}': the rules in force on the cluster")
    diff.add_argument("new", metavar="NEW", help="directory of rules to compare with OLD")
    source = diff.add_argument_group("payments")
    source.add_argument("--on", metavar="FILE", type=Path, nargs="+", default=[], help="files of payments")
    source.add_argument("--topics", action="store_true", help="the payments topic, all partitions as one")
    source.add_argument(
        "--warm-up",
        metavar="TIME",
        type=duration_ms,
        help="with --topics: read from so long before what is counted (default: all that the topic holds)",
    )
    counted = diff.add_argument_group("what is counted")
    counted.add_argument(
        "--since", metavar="DATE", type=date_ms, help="count payments from then on; earlier ones fill the state alone"
    )
    counted.add_argument(
        "--last",
        metavar="TIME",
        type=duration_ms,
        help="with --topics, in place of --since: count payments from so long before the newest ones on",
    )
    counted.add_argument("--until", metavar="DATE", type=date_ms, help="do not count payments from then on")
    counted.add_argument(
        "--minutes-per-alert", metavar="N", type=positive_count, default=15, help="to work an alert (default: 15)"
    )
    counted.add_argument(
        "--examples", metavar="N", type=int, default=5, help="alerts gained, and lost, to show (default: 5)"
    )
    add_reading(diff)
    diff.add_argument(
        "--lists",
        metavar="FILE",
        type=Path,
        help="list entries in force from the start, as of `replay`; with --topics: in place of those of the cluster",
    )
    add_setting(diff, "kafka.bootstrap_servers")
    add_setting(diff, "identifiers.secret_file", "--identifier-secret")
    add_label_delay(diff)
    form = diff.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request")
    diff.add_argument(
        "--json-progress", action="store_true", help="write progress to stderr as lines of JSON, for programs"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Compare, and print the difference. Raises `Failure`, `OperationError`."""
    from fraudstream.cli.rule_difference_text import markdown, print_difference

    _check(args)
    difference = _difference(args, settings)
    if args.json:
        print(json.dumps(_as_json(difference)))
    elif args.markdown:
        sys.stdout.write(markdown(difference))
    else:
        print_difference(difference)
    return 0


def _as_json(difference: RuleDifference) -> Any:
    import msgspec

    return msgspec.to_builtins(difference)


def _check(args: argparse.Namespace) -> None:
    """Raises `Failure` for flags that do not fit together."""
    if bool(args.on) == args.topics:
        raise Failure("give files of payments with --on, or --topics, and only one of them.")
    if args.last is not None and (args.since is not None or not args.topics):
        raise Failure("--last is for --topics, in place of --since.")
    if args.warm_up is not None and ((args.since is None and args.last is None) or not args.topics):
        raise Failure(
            "--warm-up is the time before what is counted that is read of the topic: give --topics, and --since or "
            "--last."
        )
    if args.since is not None and args.until is not None and args.since >= args.until:
        raise Failure("--since must be before --until, from which on payments are not counted.")
    if args.examples < 0:
        raise Failure(f"--examples {args.examples}: must be 0 or more.")


def _difference(args: argparse.Namespace, settings: Settings) -> RuleDifference:
    from fraudstream.backtest.rule_comparison import ComparisonOptions

    options = ComparisonOptions(args.since, args.until, float(args.minutes_per_alert), args.examples)
    in_force = None
    if ACTIVE in (args.old, args.new) or (args.topics and args.lists is None):
        in_force = _in_force(settings)
    old, new = _rule_set(args.old, in_force), _rule_set(args.new, in_force)
    listed = listed_values(args.lists, {**old.lists, **new.lists})
    with difference_progress(as_json=args.json_progress, quiet=args.json) as advance:
        if not args.topics:
            return _from_files(args, settings, old, new, options, listed, advance)
        entries = None if in_force is None or args.lists is not None else in_force.entries
        return _from_topic(args, settings, old, new, options, listed, entries, advance)


def _in_force(settings: Settings) -> InForce:
    """Raises `Failure`, `OperationError`."""
    from fraudstream.cli.worker import stream_settings
    from fraudstream.engine.document import DocumentErrors
    from fraudstream.operations.rules_in_force import read_in_force

    stream = stream_settings(settings)
    try:
        return run_on_cluster(stream.brokers, lambda: read_in_force(stream), SHORT_S_MAX)
    except DocumentErrors as errors:
        raise Failure(f"this release cannot read the rules in force: {errors}") from errors


def _rule_set(word: str, in_force: InForce | None) -> RuleSet:
    """The rules that OLD or NEW names. Raises `Failure`."""
    if word == ACTIVE:
        assert in_force is not None, "it was read because a side is 'active'"
        return in_force.rule_set
    return load_rule_set(Path(word))


def _from_files(
    args: argparse.Namespace,
    settings: Settings,
    old: RuleSet,
    new: RuleSet,
    options: ComparisonOptions,
    listed: list[ListedValue],
    advance: Advance,
) -> RuleDifference:
    """Raises `Failure`."""
    from fraudstream.backtest.file_error import PaymentFileError
    from fraudstream.backtest.row_report import RowReport
    from fraudstream.backtest.rule_comparison import compare
    from fraudstream.engine.identifier_key import key_of

    report = RowReport()
    files = open_payment_files(args, args.on, report, settings)
    done = 0

    def report_progress(payments: int, differing: int) -> None:
        nonlocal done
        done += payments
        advance(payments, differing, min(done / files.rows, 1.0) if files.rows else None)

    try:
        found = compare(
            old,
            new,
            files.batches(args.sort),
            options,
            label_delay_ms=args.label_delay,
            batch_size=BATCH_SIZE,
            listed=listed,
            digest_key=key_of(settings.identifiers.given()),
            progress=report_progress,
        )
    except PaymentFileError as error:
        raise file_failure(error) from error
    for line in (*skipped_rows_text(report), *report.notices):
        print(line, file=sys.stderr)
    return found


def _from_topic(
    args: argparse.Namespace,
    settings: Settings,
    old: RuleSet,
    new: RuleSet,
    options: ComparisonOptions,
    listed: list[ListedValue],
    entries: Sequence[ListEntry] | None,
    advance: Advance,
) -> RuleDifference:
    """`entries`: those in force, of which older ones than the payments read hold from the start; later ones hold from
    their record on. None: those of the log do not count. Raises `OperationError`."""
    from fraudstream.backtest.label_order import Events
    from fraudstream.backtest.rule_comparison import RuleComparison
    from fraudstream.cli.time_flags import now_ms
    from fraudstream.contracts.control import ListEntry
    from fraudstream.engine.identifier_key import key_of
    from fraudstream.kafka.topic_reader import TopicReader
    from fraudstream.operations.payments_in_order import newest_payments, payments_in_order

    brokers, topic = settings.kafka.brokers(), settings.topics.payments
    committed_only, signatures = settings.worker.checkpoint_mode == "transaction", settings.signatures.given()

    def open_reader() -> TopicReader:
        return TopicReader(brokers, committed_only=committed_only)

    async def work() -> RuleDifference:
        since_ms = published_since_ms = args.since
        if args.last is not None and (newest := await newest_payments(open_reader, topic, brokers.servers)) is not None:
            since_ms, published_since_ms = newest.occurred_at_ms - args.last, newest.published_at_ms - args.last
        from_ms = None if args.warm_up is None or published_since_ms is None else published_since_ms - args.warm_up
        comparison = RuleComparison(
            old,
            new,
            replace(options, since_ms=since_ms),
            listed=listed,
            digest_key=key_of(settings.identifiers.given()),
        )
        begin_ms, end_ms = None, now_ms()
        async with payments_in_order(open_reader, topic, brokers.servers, from_ms, signatures) as parts:
            async for part in parts:
                if isinstance(part, ListEntry):
                    if entries is not None:
                        comparison.change_list(part)
                    continue
                first_ms, last_ms = int(part.published_at_ms[0]), int(part.published_at_ms[-1])
                if begin_ms is None:
                    begin_ms = first_ms
                    for entry in entries or ():
                        if entry.issued_at_ms < begin_ms:
                            comparison.change_list(entry)
                before = comparison.judged
                differing = comparison.add(Events(*part))
                advance(comparison.judged - before, differing, _share(last_ms - begin_ms, end_ms - begin_ms))

        return comparison.difference()

    return run_on_cluster(brokers, work)


def _share(done: int, of: int) -> float:
    return min(max(done / of, 0.0), 1.0) if of > 0 else 1.0
