"""`fraudstream topics`: create the topics on a cluster, compare them, copy a log, print ACLs and schemas."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fraudstream.cli import topic_acls, topic_copy
from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings, add_setting
from fraudstream.cli.wanted_topics import wanted_topics

if TYPE_CHECKING:
    from fraudstream.cli.main import Subparsers
    from fraudstream.operations.apply_topics import Difference, Outcome
    from fraudstream.operations.publisher_placement import PublisherPlacement
    from fraudstream.stream.topics.file import Topic


def add_parser(subparsers: Subparsers) -> None:
    """Add `topics apply|check|copy|acls|schemas`."""
    parser = subparsers.add_parser(
        "topics",
        help="create the topics on a cluster, compare them; print ACLs and schemas",
        description="The topics fraudstream reads and writes: settings on a cluster, and schemas of the events.",
        epilog="example:\n  fraudstream topics apply --bootstrap-servers kafka-1:9092 --replication 1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    apply = actions.add_parser(
        "apply",
        help="create what is missing, set configs that differ; never deletes, never changes partitions",
        epilog="example:\n  fraudstream topics apply --bootstrap-servers kafka-1:9092 --partitions 24",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check = actions.add_parser(
        "check",
        help="report every difference, and payments in another partition than their key's; exit code 1 if there is one",
        epilog="example:\n  fraudstream topics check --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    schemas = actions.add_parser(
        "schemas",
        help="print, write or check the JSON Schemas of the events",
        epilog="example:\n  fraudstream topics schemas --write topics/schemas",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for action in (apply, check):
        action.add_argument("--file", metavar="FILE", help="topics file (default: the one shipped with the program)")
        add_setting(action, "kafka.bootstrap_servers")
        add_setting(action, "rules.directory", "--rules")
        add_setting(action, "topics.partitions")
        add_setting(action, "topics.replication")
        add_setting(action, "worker.stages")
    topic_copy.add_parser(actions)
    topic_acls.add_parser(actions)
    where = schemas.add_mutually_exclusive_group()
    where.add_argument("--write", metavar="DIR", help="write one file for each event to DIR")
    where.add_argument("--check", metavar="DIR", help="compare the files in DIR; exit code 1 if one differs")
    where.add_argument(
        "--compatible-with",
        metavar="DIR",
        help="compare the contracts with the released schemas in DIR; exit code 1 if publishers or readers that follow "
        "those would break",
    )
    for action in (apply, check, schemas):
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Apply, check or copy topics, print ACLs or schemas. Raises `Failure`, `OperationError`."""
    if args.action == "copy":
        return topic_copy.run(args, settings)
    if args.action == "acls":
        return topic_acls.run(args, settings)
    if args.action == "schemas":
        if args.compatible_with is not None:
            return _compatible(Path(args.compatible_with), args.json)
        return _schemas(args.write, args.check, args.json)

    from fraudstream.kafka.partitions import partitions_of
    from fraudstream.operations.apply_topics import apply_topics, check_topics
    from fraudstream.stream.topics.file import TopicsError

    brokers, payments = settings.kafka.brokers(), settings.topics.payments
    try:
        found = run_on_cluster(brokers, lambda: partitions_of(brokers, payments))
        topics = wanted_topics(settings, args.file, len(found) or None)
        if args.action == "check":
            differences = run_on_cluster(brokers, lambda: check_topics(brokers, topics))
            return _print_check(differences, topics, _placement(settings, differences), args.json)
        return _print_apply(run_on_cluster(brokers, lambda: apply_topics(brokers, topics)), args.json)
    except TopicsError as error:
        raise Failure(str(error)) from error


def _placement(settings: Settings, differences: Sequence[Difference]) -> PublisherPlacement | str | None:
    """Where publishers put their records; a sentence if they cannot be read, None if there is nothing to check."""
    from fraudstream.operations.cluster_access import ClusterError
    from fraudstream.operations.publisher_placement import sample_placement

    topic, declared, brokers = settings.topics.payments, settings.publishers.partitioner, settings.kafka.brokers()
    if declared == "any" or (topic, "topic") in {(d.topic, d.setting) for d in differences}:
        return None
    try:
        return run_on_cluster(brokers, lambda: sample_placement(brokers, topic, declared))
    except ClusterError as error:
        return f"{topic}: the partitions of its records were not checked: {error.sentence}"


def _print_check(
    differences: Sequence[Difference],
    topics: Sequence[Topic],
    placement: PublisherPlacement | str | None,
    as_json: bool,
) -> int:
    if as_json:
        print(
            json.dumps(
                {
                    "topics": [topic.name for topic in topics],
                    "differences": _rows(differences),
                    "publishers": msgspec.to_builtins(placement),
                }
            )
        )
    else:
        if differences:
            _print_table(differences)
        else:
            print(f"{len(topics)} topics match the topics file and the settings.")
        if placement is not None:
            print(placement)
    misplaced = placement is not None and not isinstance(placement, str) and placement.misplaced > 0
    return 1 if differences or misplaced else 0


def _print_apply(outcome: Outcome, as_json: bool) -> int:
    if as_json:
        altered, remaining = _rows(outcome.altered), _rows(outcome.remaining)
        print(json.dumps({"created": outcome.created, "altered": altered, "remaining": remaining}))
    else:
        for name in outcome.created:
            print(f"created {name}")
        for d in outcome.altered:
            print(f"set     {d.topic} {d.setting} = {d.wanted} (was {d.found or 'not set'})")
        if outcome.remaining:
            _print_table(outcome.remaining)
        elif not outcome.created and not outcome.altered:
            print("Nothing to do.")
    return 1 if outcome.remaining else 0


def _rows(differences: Sequence[Difference]) -> list[dict[str, str | None]]:
    return [
        {"topic": d.topic, "setting": d.setting, "wanted": d.wanted, "found": d.found, "note": d.note}
        for d in differences
    ]


def _print_table(differences: Sequence[Difference]) -> None:
    rows = [("TOPIC", "SETTING", "WANTED", "FOUND", "")]
    rows += [(d.topic, d.setting, d.wanted, d.found if d.found is not None else "-", d.note) for d in differences]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join((*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[4])).rstrip())


def _compatible(directory: Path, as_json: bool) -> int:
    """Compare the contracts with released schemas. Raises `Failure`."""
    from fraudstream.contracts.schema_compatibility import incompatibilities
    from fraudstream.contracts.schemas import contract_schemas

    try:
        released = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in directory.glob("*.json")}
    except (OSError, ValueError) as error:
        raise Failure(f"{directory}: its schemas cannot be read: {error}.") from error
    if not released:
        raise Failure(f"{directory}: there is no schema (*.json) in it.")
    found = list(incompatibilities(released, contract_schemas()))
    if as_json:
        print(json.dumps({"incompatible": found}))
    else:
        print("\n".join(found) or f"The contracts are compatible with the {len(released)} schemas in {directory}.")
    return 1 if found else 0


def _schemas(write: str | None, check: str | None, as_json: bool) -> int:
    from fraudstream.contracts.schemas import contract_schemas, schema_text

    files = {f"{name}.json": schema_text(schema) for name, schema in contract_schemas().items()}
    if write:
        Path(write).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (Path(write) / name).write_text(text, encoding="utf-8")
        print(json.dumps({"written": sorted(files)}) if as_json else f"{len(files)} schemas written to {write}.")
        return 0
    if check:
        directory = Path(check)
        there = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.json")}
        differing = sorted(name for name in files.keys() | there.keys() if files.get(name) != there.get(name))
        if as_json:
            print(json.dumps({"differing": differing}))
        elif differing:
            raise Failure(
                f"{directory}: {', '.join(differing)}: out of date. "
                f"Write them again: fraudstream topics schemas --write {directory}"
            )
        else:
            print(f"{len(files)} schemas match the contracts.")
        return 1 if differing else 0
    print(json.dumps(contract_schemas(), ensure_ascii=False, indent=None if as_json else 2))
    return 0
