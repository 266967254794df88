"""`fraudstream doctor`: check a cluster, and what is beside it, before it goes live."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fraudstream.cli.acl_scope import acl_scope, principals_of
from fraudstream.cli.cluster_command import SHORT_S_MAX, add_flags, run_on_cluster
from fraudstream.cli.count_flag import positive_count
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.doctor.deployment import Deployment
    from fraudstream.operations.doctor.finding import Finding

WARNINGS: Final = 3  # exit codes
ERRORS: Final = 4
_GB: Final = 10**9
_MARKS: Final = {"ok": "ok", "warning": "WARNING", "error": "ERROR"}


def add_parser(subparsers: Subparsers) -> None:
    """Add `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="check a cluster before it goes live: topics, permissions, clocks, retention, capacity",
        description=(
            "Checks brokers, topics, retention, ACLs, the publishers' partitioner, clocks, rules, the identifier "
            "secret, lag, capacity, Redis and disks. Reads only. Exit codes: 0 all well, 3 warnings, 4 errors, 1 the "
            "check itself failed."
        ),
        epilog=(
            "example:\n"
            "  fraudstream doctor --bootstrap-servers kafka-1:9092 --rate 5000\n"
            "  fraudstream doctor --principal worker=User:fraudstream-worker --principal cases=User:fraudstream-cases"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_flags(parser)
    parser.add_argument("--file", metavar="FILE", help="topics file (default: the one shipped with the program)")
    parser.add_argument(
        "--rate", metavar="N", type=positive_count, help="payments a second at the peak, for the check of capacity"
    )
    parser.add_argument(
        "--principal",
        metavar="PART=USER",
        action="append",
        default=[],
        help="the user of a part, whose ACLs are checked; may be given more than once",
    )
    parser.add_argument("--without-redis", action="store_true", help="leave out Redis")
    add_setting(parser, "rules.directory", "--rules")
    add_setting(parser, "redis.url", "--redis-url")
    add_setting(parser, "topics.partitions")
    add_setting(parser, "topics.replication")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Check, print, and return the exit code. Raises `Failure`, `OperationError`."""
    from fraudstream.cli.doctor_redis import redis_findings
    from fraudstream.operations.doctor.examination import examine
    from fraudstream.operations.doctor.finding import merged, worst

    deployment = _deployment(args, settings)
    findings = run_on_cluster(deployment.brokers, lambda: examine(deployment), SHORT_S_MAX)
    if not args.without_redis:
        findings += redis_findings(settings.redis.url_with_password())
    severity = worst(findings)
    if args.json:
        print(json.dumps({"severity": severity, "findings": msgspec.to_builtins(findings)}))
    else:
        _print(merged(findings))
    return {"ok": 0, "warning": WARNINGS, "error": ERRORS}[severity]


def _deployment(args: argparse.Namespace, settings: Settings) -> Deployment:
    """Raises `Failure`, `ClusterError`."""
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.wanted_topics import wanted_topics
    from fraudstream.kafka.partitions import partitions_of
    from fraudstream.operations.doctor.deployment import Deployment
    from fraudstream.stream.topics.file import TopicsError

    brokers, rule_set = settings.kafka.brokers(), load_rule_set(Path(settings.rules.directory))
    found = run_on_cluster(brokers, lambda: partitions_of(brokers, settings.topics.payments))
    try:
        topics = wanted_topics(settings, args.file, len(found) or None)
    except TopicsError as error:
        raise Failure(str(error)) from error
    wanted = next((topic.partitions for topic in topics if topic.name == settings.topics.payments), 1)
    return Deployment(
        brokers=brokers,
        acls=acl_scope(settings, rule_set, len(found) or wanted),
        topics=topics,
        rules_directory=Path(settings.rules.directory),
        rule_set=rule_set,
        partitioner=settings.publishers.partitioner,
        too_far_ahead_ms=settings.worker.too_far_ahead_ms,
        principals=principals_of(args.principal),
        rate=args.rate,
        directories=_directories(settings),
    )


def _directories(settings: Settings) -> Mapping[str, tuple[Path, int]]:
    """The directories that are set, and how much should be free in each."""
    named = (
        ("history.directory", settings.history.directory, 10 * _GB),
        ("console.index_directory", settings.console.index_directory, 2 * _GB),
        ("cache.directory", settings.cache.directory, _GB),
    )
    return {setting: (Path(path), free) for setting, path, free in named if path}


def _print(findings: Sequence[Finding]) -> None:
    """A line for each finding, in the order of the checks; a second one says what to do."""
    checks = max((len(finding.check) for finding in findings), default=0)
    for finding in findings:
        print(f"{_MARKS[finding.severity]:<8} {finding.check:<{checks}}  {finding.where}: {finding.what}")
        if finding.remedy:
            print(f"{'':<8} {'':<{checks}}    -> {finding.remedy}")
    count = Counter(finding.severity for finding in findings)
    print(f"\nerrors: {count['error']}, warnings: {count['warning']}, ok: {count['ok']}")
