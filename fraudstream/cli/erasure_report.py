"""Where an account's data is held, what can be erased, and by when the rest is gone: for `erase --dry-run|--check`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from fraudstream.cli.case_view import open_view
from fraudstream.cli.cluster_command import run_on_cluster
from fraudstream.cli.failure import Failure
from fraudstream.cli.progress import reading_progress
from fraudstream.cli.settings import Settings
from fraudstream.contracts.timestamps import utc_text
from fraudstream.supervision import exit_codes

if TYPE_CHECKING:
    from fraudstream.kafka.topic_reader import ReportProgress
    from fraudstream.operations.account_records import AccountRecords, SearchedTopic
    from fraudstream.operations.topic_expiry import TopicExpiry

Fate = Literal["erasable", "expires", "stays"]
_CHANGELOG: Final = "-state-changelog"


class Place(NamedTuple):
    """A place and how many records, rows or keys it holds of an account. `fate`: `erasable` by this command; `expires`
    by itself, at `gone_by_ms` at the latest; `stays` until somebody does what `note` says."""

    name: str
    held: int
    fate: Fate
    gone_by_ms: int | None = None
    note: str = ""


def list_places(args: argparse.Namespace, settings: Settings) -> int:
    """Print every place; with `--check` the exit code is 1 if something is left that could have been erased. Raises
    `Failure`, `OperationError`."""
    with reading_progress(args.json) as progress:
        places = run_on_cluster(settings.kafka.brokers(), lambda: places_of(settings, args.account, progress))
    print_places(args.account, places, as_json=args.json)
    is_left = any(place.held and place.fate == "erasable" for place in places)
    return exit_codes.FAILED if args.check and is_left else exit_codes.DONE


async def places_of(settings: Settings, account_id: str, progress: ReportProgress | None) -> list[Place]:
    """Every place, those that hold nothing too. Reads all topics. Raises `Failure`, aiokafka's errors."""
    return [
        *await _topics(settings, account_id, progress),
        *await _redis(settings, account_id),
        *_index(settings, account_id),
        *_history(settings, account_id),
        *await _files(settings, account_id),
    ]


def print_places(account_id: str, places: Sequence[Place], *, as_json: bool) -> None:
    """Print them, by what becomes of them."""
    if as_json:
        print(json.dumps({"account": account_id, "places": [place._asdict() for place in places]}))
        return
    held = [place for place in places if place.held]
    for fate, title in (
        ("erasable", "can be erased now"),
        ("expires", "expires by itself"),
        ("stays", "stays until somebody acts"),
    ):
        found = [place for place in held if place.fate == fate]
        if found:
            print(f"{title}:")
        for place in found:
            when = "" if place.gone_by_ms is None else f", gone by {utc_text(place.gone_by_ms)[:10]}"
            print(f"  {place.name}: {place.held}{when}{'' if not place.note else f' ({place.note})'}")
    empty = [place.name for place in places if not place.held]
    if empty:
        print(f"nothing in: {', '.join(empty)}")


async def _topics(settings: Settings, account_id: str, progress: ReportProgress | None) -> list[Place]:
    from fraudstream.operations.account_records import account_records
    from fraudstream.operations.topic_expiry import topic_expiries

    brokers = settings.kafka.brokers()
    committed_only = settings.worker.checkpoint_mode == "transaction"
    found = await account_records(
        brokers, _searched(settings), account_id, committed_only=committed_only, progress=progress
    )
    expiries = await topic_expiries(brokers, [each.topic for each in found if each.read is not None])
    return [_place_of(settings, each, expiries.get(each.topic)) for each in found if each.read is not None]


def _searched(settings: Settings) -> list[SearchedTopic]:
    from fraudstream.cli.wanted_topics import wanted_topics
    from fraudstream.operations.account_records import Content, SearchedTopic

    def content(name: str) -> Content:
        if name.endswith(_CHANGELOG):
            return "rows"
        return "letters" if name == settings.topics.dead_letters else "text"

    names = {topic.name for found in (None, 1, 2) for topic in wanted_topics(settings, None, found)}
    return [SearchedTopic(name, content(name)) for name in sorted(names)]


def _place_of(settings: Settings, found: AccountRecords, expiry: TopicExpiry | None) -> Place:
    name = f"topic {found.topic}"
    if found.topic == settings.topics.cases and found.current:
        return Place(name, found.current, "erasable", note="cases")
    if found.topic == settings.topics.audit:
        return Place(name, found.records, "stays", note="the log cannot be changed; since 0.1 it has pseudonyms")
    if found.topic == settings.topics.controls:
        return Place(name, found.current, "stays", note="a list has the account: fraudstream lists remove")
    if found.topic.endswith(_CHANGELOG):
        note = "the worker's state: backfill a new state version, then delete this topic"
        return Place(name, found.current, "stays", note=note)
    gone_by_ms = None if expiry is None else expiry.gone_by_ms(found)
    if gone_by_ms is not None:
        return Place(name, found.records, "expires", gone_by_ms)
    is_compacted = expiry is not None and expiry.is_compacted
    note = "compaction has no limit: set max.compaction.lag.ms" if is_compacted else "kept for ever: set retention.ms"
    return Place(name, found.records, "stays", note=note)


async def _redis(settings: Settings, account_id: str) -> list[Place]:
    """Raises `Failure` if Redis does not answer."""
    from redis import RedisError

    from fraudstream.cases.redis_closing import close_redis
    from fraudstream.cases.redis_error_text import redis_error_text
    from fraudstream.console.account_keys import AccountKeys
    from fraudstream.console.server import redis_client

    view, redis = open_view(settings.redis.url_with_password()), redis_client(settings.redis.url_with_password())
    try:
        cases = await view.ids_of_account(account_id)
        kept = await AccountKeys(redis).find(account_id)
    except (RedisError, OSError) as error:
        raise Failure(f"Redis cannot be read: {redis_error_text(error)}.") from error
    finally:
        await view.close()
        await close_redis(redis)
    return [
        Place("cases in Redis", len(cases), "erasable"),
        Place("saved views and kept answers in Redis", len(kept), "erasable"),
    ]


def _index(settings: Settings, account_id: str) -> list[Place]:
    """Of the console on this machine, if its index has a directory."""
    from fraudstream.console.search.disk_index import committed_in

    directory = settings.console.index_directory
    if not directory:
        return []
    try:
        committed = committed_in(Path(directory))
    except ValueError as error:
        raise Failure(f"the index of cases in {directory} cannot be read: {error}.") from error
    if committed is None:
        return []
    held = len(committed.of_account(account_id))
    return [Place(f"index of cases in {directory}", held, "erasable", note="a running console removes them")]


def _history(settings: Settings, account_id: str) -> list[Place]:
    if settings.history.directory is None:
        return []
    from fraudstream.history.erasure import rows_of_account
    from fraudstream.history.manifest import load

    root = settings.history.root()
    manifest = load(root)
    if manifest is None:
        return [Place(f"history in {root}, where there is no store", 0, "erasable")]
    rows = rows_of_account(root, manifest.files, account_id)
    return [Place(f"history in {root}", sum(rows.values()), "erasable", note="rows")]


async def _files(settings: Settings, account_id: str) -> list[Place]:
    """Of the cases that the account has now. Raises as `cases_of_account`."""
    from fraudstream.cli.case_agent import agent_settings
    from fraudstream.operations.erase_cases import cases_of_account

    if (store := settings.evidence.store()) is None:
        return []
    cases = await cases_of_account(agent_settings(settings), account_id)
    digests = {file.sha256 for each in cases for file in each.case.files}
    held = len(digests & store.held().keys()) if digests else 0
    return [Place(f"files of cases in {settings.evidence.directory}", held, "erasable", note="files")]
