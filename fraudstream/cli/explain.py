"""`fraudstream explain`: decide a payment again from the log, show why, and whether that is what was sent."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.progress import reading_progress
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.time_flags import duration_ms, now_ms
from fraudstream.contracts.nearest_name import nearest_or_all

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.explain.explained import Explained, NotDecided


def add_parser(subparsers: Subparsers) -> None:
    """Add `explain`."""
    parser = subparsers.add_parser(
        "explain",
        help="decide a payment again from the log: why it was alerted or not, and whether that was sent",
        description=(
            "Finds an alert, reads its account's part of the log up to the payment, decides it again and shows the "
            "verdict rule by rule, near misses too (a rule whose thresholds were missed by at most a quarter). With "
            "--event and --account: any payment, alerted or not. Where other entities have stages of their own, all "
            "stages before the last are run again too, and compared with what they forwarded. Where one stage has all "
            "entities, the whole log up to the payment is read. Exit codes: 0 the same "
            "as was sent, byte for byte (or nothing was sent that could be compared); 1 it differs, a stage forwarded "
            "something else, or it cannot be decided again."
        ),
        epilog=(
            "example:\n"
            "  fraudstream explain 1b0c9fd1e6f4a2d47a0c5b7e7f3f9d21 --since 2d\n"
            "  fraudstream explain --event p-81723 --account acct-7\n"
            "  fraudstream explain --event p-81723 --account acct-7 --rule new_payee/large_transfer"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("alert_id", metavar="ALERT_ID", nargs="?", help="alert_id of a decision, a case or an alert")
    parser.add_argument(
        "--event", metavar="EVENT_ID", help="a payment instead of an alert, with all its records; with --account"
    )
    parser.add_argument("--account", metavar="ACCOUNT_ID", help="the account of that payment")
    parser.add_argument(
        "--rule",
        metavar="NAME",
        action="append",
        help="only this rule and the values that it saw, whether it fired or not; may be repeated",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=duration_ms,
        help="search only what was sent within the last TIME (2h, 7d)",
    )
    add_setting(parser, "kafka.bootstrap_servers")
    add_setting(parser, "rules.directory", "--rules")
    add_setting(parser, "identifiers.secret_file", "--identifier-secret")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Explain one payment. Raises `Failure`, `OperationError`."""
    import msgspec

    from fraudstream.explain.explained import NotDecided
    from fraudstream.explain.rerun import RerunError
    from fraudstream.kafka.topic_reader import NoTopicError

    if (args.alert_id is None) == (args.event is None) or (args.event is None) != (args.account is None):
        raise Failure("name an ALERT_ID, or a payment by --event and --account.")
    brokers = settings.kafka.brokers()
    try:
        explained = run_on_cluster(brokers, lambda: _explained(args, settings))
    except RerunError as error:
        raise Failure(error.sentence) from error
    except NoTopicError as error:
        raise Failure(f"{brokers}: {str(error).rstrip('.')}.") from error
    if isinstance(explained, NotDecided):
        return _print_not_decided(explained, settings.topics.dead_letters, args.json)
    if args.rule:
        explained = _of_rules(explained, args.rule)
    if args.json:
        print(msgspec.json.encode(explained).decode())
    else:
        from fraudstream.cli.explained_text import print_explained, print_rules

        if args.rule:
            print_rules(explained)
        else:
            print_explained(explained, settings.topics.dead_letters)
    return 0 if explained.agrees is not False else 1


def _of_rules(explained: Explained, names: Sequence[str]) -> Explained:
    """The explanation with these rules alone. Raises `Failure` for a name that the rule set does not evaluate."""
    from msgspec.structs import replace

    by_name = {rule.rule: rule for rule in explained.trial.rules}
    for name in names:
        if name not in by_name:
            raise Failure(f"rule set {explained.rule_set} evaluates no rule '{name}'. {nearest_or_all(name, by_name)}")
    return replace(explained, trial=replace(explained.trial, rules=tuple(by_name[name] for name in names)))


def _print_not_decided(found: NotDecided, dead_letters: str, as_json: bool) -> int:
    import msgspec

    from fraudstream.cli.explained_text import print_records

    if as_json:
        print(msgspec.json.encode(found).decode())
        return 1
    print(f"{found.event_id} of {found.account_id} was not decided: it could not be read as a payment.")
    print_records(found.records, dead_letters)
    print(f"Its bytes: fraudstream dead-letters show {found.records[-1].letter}")
    return 1


async def _explained(args: argparse.Namespace, settings: Settings) -> Explained | NotDecided:
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.controls.secret import read_secret
    from fraudstream.controls.topic import ControlsTopic
    from fraudstream.engine.identifier_key import key_of
    from fraudstream.explain.explained import Explainer, Topics
    from fraudstream.kafka.topic_reader import NoTopicError, TopicReader
    from fraudstream.stream.settings import FETCH_WAIT_MS, log_between

    topics = settings.topics
    own = load_rule_set(Path(settings.rules.directory))
    single = await _single_stages(settings)
    since_ms = None if args.since is None else now_ms() - args.since
    controls = ControlsTopic(settings.kafka.brokers(), topics.controls, FETCH_WAIT_MS)
    secret = settings.identifiers.given()
    if secret is None:
        with suppress(NoTopicError):
            secret = await read_secret(controls)
    committed_only = settings.worker.checkpoint_mode == "transaction"
    with reading_progress(quiet=args.json) as progress:
        async with TopicReader(settings.kafka.brokers(), committed_only=committed_only, progress=progress) as reader:
            explainer = Explainer(
                reader,
                Topics(
                    payments=topics.payments,
                    alerts=topics.alerts,
                    decisions=topics.decisions,
                    controls=controls,
                    dead_letters=topics.dead_letters,
                    between=partial(log_between, settings.worker.group, topics.payments),
                    single=single,
                    state_version=settings.worker.state_version,
                ),
                own,
                settings.worker.too_far_ahead_ms,
                key_of(secret),
                settings.signatures.given(),
            )
            if args.alert_id is not None:
                return await explainer.alert(args.alert_id, since_ms)
            return await explainer.event(args.event, args.account, since_ms)


async def _single_stages(settings: Settings) -> Callable[[Sequence[str], int], bool]:
    """Whether one stage had all entities, under a catalogue with the given stages and a state version.

    Of the current version the settings say so, of another one its topics: a chain has logs between its stages.
    """
    from fraudstream.kafka.partitions import topics_of
    from fraudstream.stream.settings import log_between

    worker, payments = settings.worker, settings.topics.payments
    topics = await topics_of(settings.kafka.brokers())

    def single(entities: Sequence[str], state_version: int) -> bool:
        if state_version == worker.state_version and worker.stages != "auto":
            return worker.stages == "single"
        return log_between(worker.group, payments, entities[-1], state_version) not in topics

    return single
