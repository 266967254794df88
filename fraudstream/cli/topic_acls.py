"""`fraudstream topics acls`: what each part may do on a cluster with ACLs, and whether the cluster allows just that."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fraudstream.cli.acl_scope import acl_scope, principals_of
from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting

if TYPE_CHECKING:
    from fraudstream.operations.acls.cluster_acls import AclDifference
    from fraudstream.operations.acls.needs import Need

_HEADS: Final = ("PART", "USER", "RESOURCE", "NAME", "OPERATIONS")


def add_parser(actions: argparse._SubParsersAction[Any]) -> None:
    """Add `acls` to the actions of `topics`."""
    acls = actions.add_parser(
        "acls",
        help="print the ACLs that each part needs, as a table or as commands; compare them with those of the cluster",
        description=(
            "What each part needs on a cluster with ACLs, by the settings, and nothing else: topics, groups and "
            "transactional ids. A name that ends in * is a prefix. Who publishes payments may write no topic but "
            "payments. Commands for operators need more: docs/runbook.md, Permissions."
        ),
        epilog=(
            "example:\n"
            "  fraudstream topics acls --commands --principal worker=User:fraud-worker\n"
            "  fraudstream topics acls --check --part worker --part cases"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acls.add_argument(
        "--part", metavar="PART", action="append", default=[], help="this part alone; may be given more than once"
    )
    acls.add_argument(
        "--principal",
        metavar="PART=USER",
        action="append",
        default=[],
        help="the user of a part (default: User:fraudstream-PART); may be given more than once",
    )
    form = acls.add_mutually_exclusive_group()
    form.add_argument("--commands", action="store_true", help="print commands of Kafka's kafka-acls.sh")
    form.add_argument(
        "--check",
        action="store_true",
        help="compare with the ACLs of the cluster, which takes DESCRIBE on the cluster; exit code 1 if a user lacks "
        "an ACL, or has one that its part does not need",
    )
    add_setting(acls, "kafka.bootstrap_servers")
    add_setting(acls, "rules.directory", "--rules")
    add_setting(acls, "topics.partitions")
    add_setting(acls, "worker.stages")
    acls.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print, or compare. Raises `Failure`, `OperationError`."""
    from fraudstream.operations.acls.admin_commands import admin_commands

    needs = _needs(args, settings)
    principals = {part: f"User:fraudstream-{part}" for part in needs} | dict(principals_of(args.principal))
    if args.check:
        return _check(settings, needs, principals, args.json)
    if args.json:
        print(json.dumps([_row(part, principals[part], found) for part, found in needs.items()]))
    elif args.commands:
        for part, found in needs.items():
            for when, of_case in groupby(found, key=lambda need: need.when):
                if when:
                    print(f"# where {when}:")
                for line in admin_commands(settings.kafka.bootstrap_servers, principals[part], of_case):
                    print(line)
    else:
        _print_table(needs, principals)
        if "bridge" in needs and settings.bridge.source_topic is None:
            print("\nThe bridge also needs READ on the topic that it reads: set bridge.source_topic.")
    return 0


def _needs(args: argparse.Namespace, settings: Settings) -> Mapping[str, Sequence[Need]]:
    """By part. Raises `Failure`, `ClusterError`."""
    from fraudstream.cli.rule_files import load_rule_set
    from fraudstream.cli.wanted_topics import wanted_topics
    from fraudstream.contracts.nearest_name import nearest_or_all
    from fraudstream.operations.acls.needs import PARTS, needs_of
    from fraudstream.stream.topics.file import TopicsError

    for part in args.part:
        if part not in PARTS:
            raise Failure(f"--part {part}: there is no such part. {nearest_or_all(part, PARTS)}")
    payments = settings.topics.payments
    try:
        found = _partitions(settings) if args.check else None
        topics = wanted_topics(settings, None, found)
    except TopicsError as error:
        raise Failure(str(error)) from error
    partitions = found or next((topic.partitions for topic in topics if topic.name == payments), 1)
    scope = acl_scope(settings, load_rule_set(Path(settings.rules.directory)), partitions)
    return {part: needs_of(part, scope) for part in PARTS if not args.part or part in args.part}


def _partitions(settings: Settings) -> int | None:
    """Of the payments topic on the cluster; None if it is not there. Raises `ClusterError`."""
    from fraudstream.kafka.partitions import partitions_of

    brokers = settings.kafka.brokers()
    return len(run_on_cluster(brokers, lambda: partitions_of(brokers, settings.topics.payments))) or None


def _check(
    settings: Settings, needs: Mapping[str, Sequence[Need]], principals: Mapping[str, str], as_json: bool
) -> int:
    """Raises `Failure`, `ClusterError`."""
    from fraudstream.operations.acls.cluster_acls import difference, read_acls

    brokers = settings.kafka.brokers()
    acls = run_on_cluster(brokers, lambda: read_acls(brokers))
    if acls is None:
        raise Failure(f"{brokers}: the brokers have no authorizer, so whoever reaches them may do everything.")
    found = [difference(acls, part, principals[part], of_part) for part, of_part in needs.items()]
    if as_json:
        print(json.dumps([_told(each) for each in found]))
    else:
        for each in found:
            print(f"{each.part}: {_sentence(each)}")
    return 1 if any(each.missing or each.beyond for each in found) else 0


def _sentence(found: AclDifference) -> str:
    parts = []
    if found.missing:
        parts.append(f"{found.principal} lacks {', '.join(map(str, found.missing))}")
    if found.beyond:
        parts.append(f"{found.principal} has what it does not need: {', '.join(map(str, found.beyond))}")
    return "; ".join(parts) or f"{found.principal} has what it needs, and nothing else"


def _told(found: AclDifference) -> dict[str, Any]:
    return {
        "part": found.part,
        "principal": found.principal,
        "missing": list(map(str, found.missing)),
        "beyond": list(map(str, found.beyond)),
    }


def _row(part: str, principal: str, needs: Sequence[Need]) -> dict[str, Any]:
    acls = [
        {
            "operation": need.operation,
            "resource": need.resource,
            "name": need.name.rstrip("*"),
            "prefixed": need.name.endswith("*"),
            "when": need.when or None,
        }
        for need in needs
    ]
    return {"part": part, "principal": principal, "acls": acls}


def _print_table(needs: Mapping[str, Sequence[Need]], principals: Mapping[str, str]) -> None:
    rows: list[tuple[str, ...]] = [_HEADS]
    for part, found in needs.items():
        operations: dict[tuple[str, str, str], list[str]] = {}
        for need in found:
            operations.setdefault((need.resource, need.name, need.when), []).append(need.operation)
        for (resource, name, when), wanted in operations.items():
            condition = f" (where {when})" if when else ""
            rows.append((part, principals[part], resource, name, f"{', '.join(wanted)}{condition}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS) - 1)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]))
