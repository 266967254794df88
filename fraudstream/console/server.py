"""Puts the console together and serves it until a signal."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import uvicorn
from redis import RedisError
from redis.asyncio import Redis

from fraudstream.audit.recent_events import RecentEvents
from fraudstream.audit.topic import AuditTopic, AuditTopicSink, ReadableAuditTopic
from fraudstream.audit.writer import AuditWriter
from fraudstream.cases.absences import AbsenceStore
from fraudstream.cases.redis_closing import close_redis
from fraudstream.cases.redis_error_text import redis_error_text
from fraudstream.cases.settings import AgentSettings
from fraudstream.cases.view import SOCKET_TIMEOUT_S, CaseView
from fraudstream.console.access.idempotency import KeptAnswers
from fraudstream.console.access.login import Login
from fraudstream.console.access.login_limits import LoginLimits
from fraudstream.console.access.openid_login import OpenIdLogin
from fraudstream.console.access.openid_provider import OpenIdProvider
from fraudstream.console.access.passwords import Passwords
from fraudstream.console.access.pending_events import PendingEvents
from fraudstream.console.access.references import References, read_or_make_secret
from fraudstream.console.access.request_limits import RequestLimits
from fraudstream.console.access.sessions import SessionStore
from fraudstream.console.access.teams import TeamStore
from fraudstream.console.access.tokens import TokenStore
from fraudstream.console.access.users import UserStore
from fraudstream.console.action_connection import ActionConnection
from fraudstream.console.alert_feed import AlertFeed
from fraudstream.console.alert_source import AlertSource, ReadAlerts
from fraudstream.console.app import create_app
from fraudstream.console.desk import CaseDesk
from fraudstream.console.erasures import Erasures
from fraudstream.console.evidence import EvidenceCleanUp, EvidenceDesk
from fraudstream.console.explanations import Explanations
from fraudstream.console.feed import CaseFeed
from fraudstream.console.index import CaseIndex
from fraudstream.console.live import LiveChanges
from fraudstream.console.overview.desk import OverviewDesk
from fraudstream.console.overview.figures_desk import FiguresDesk
from fraudstream.console.past import History, PastDesk
from fraudstream.console.rules.approval import Approval
from fraudstream.console.rules.cluster_readers import artefact_reader, rules_reader
from fraudstream.console.rules.desk import RuleDesk
from fraudstream.console.rules.drafts import DraftStore
from fraudstream.console.rules.entries import ListDesk
from fraudstream.console.rules.library import RuleLibrary
from fraudstream.console.rules.proposals import ProposalStore
from fraudstream.console.rules.trials import Trials
from fraudstream.console.saved_views import SavedViewStore
from fraudstream.console.search.disk_index import DiskIndex
from fraudstream.console.settings import RuleSettings, ServerSettings
from fraudstream.console.web.console import Console
from fraudstream.contracts import Alert
from fraudstream.evidence.store import EvidenceStore
from fraudstream.explain.sent import find_alerts
from fraudstream.kafka.topic_reader import TopicReader
from fraudstream.openid.fetching import fetch_url
from fraudstream.operations.unlisted_files import remove_unlisted

STOP_S_MAX: Final = 3
RETRY_S: Final = 1.0

log = logging.getLogger(__name__)


async def serve(
    settings: ServerSettings,
    agent: AgentSettings,
    rules: RuleSettings,
    listener: socket.socket,
    on_serving: Callable[[], None],
    history: History | None = None,
    evidence: EvidenceStore | None = None,
    *,
    rebuild: bool = False,
) -> None:
    """Serve on `listener` until SIGTERM or SIGINT. `agent`: brokers, topics and Redis, as the case agent has them.

    `rules`: for the pages of rules. `on_serving`: called once pages are served. `history`: the history store, if there
    is one; `evidence`: that of the files of cases. `rebuild`: throw the index of cases away first. Raises
    `IndexInUseError`, `OSError`, and `ValueError` for an invalid URL of Redis.
    """
    with index_directory(settings.index_directory) as directory:
        disk = DiskIndex(directory, now_ms, rebuild=rebuild)
        await _serve(settings, agent, rules, listener, on_serving, CaseIndex(disk), history, evidence)


async def _serve(
    settings: ServerSettings,
    agent: AgentSettings,
    rules: RuleSettings,
    listener: socket.socket,
    on_serving: Callable[[], None],
    index: CaseIndex,
    history: History | None,
    evidence: EvidenceStore | None,
) -> None:
    redis, view = redis_client(agent.redis_url), CaseView(agent.redis_url)
    secret = settings.reference_secret or await _secret_of(redis)
    live, alerts, actions = LiveChanges(), AlertSource(_alert_reader(agent)), ActionConnection(agent)
    feed = CaseFeed(
        agent.brokers,
        agent.cases_topic,
        index,
        live,
        committed_only=agent.fenced,
        fetch_wait_ms=agent.fetch_wait_ms,
    )
    alert_feed = AlertFeed(
        agent.brokers, agent.alerts_topic, alerts, committed_only=agent.fenced, fetch_wait_ms=agent.fetch_wait_ms
    )
    overview = OverviewDesk(index, live, settings.zone, now_ms)
    sink = AuditTopicSink(agent.brokers, settings.audit_topic, idempotent=agent.fenced)
    audit = AuditWriter(sink, now_ms)
    users, past = UserStore(redis), PastDesk(history)
    sessions = SessionStore(redis, settings.idle_s, settings.session_s, now_ms)
    trials = Trials(rules.trials, live, now_ms)
    library = RuleLibrary(rules_reader(rules.stream), artefact_reader(rules.stream), rules.directory, now_ms)
    explanations = Explanations(rules.trials, library)
    references = References(secret)
    erasures = Erasures(redis, references, (explanations, alerts, trials))
    console = Console(
        settings=settings,
        desk=CaseDesk(index, live, view, alerts, actions.act, actions.open_case, now_ms),
        approval=Approval(library, ProposalStore(redis), trials, settings.four_eyes, now_ms),
        lists=ListDesk(library, now_ms),
        explanations=explanations,
        overview=overview,
        figures=FiguresDesk(past, live),
        rules=RuleDesk(library, DraftStore(redis), trials, index, settings.zone, now_ms),
        live=live,
        users=users,
        teams=TeamStore(redis),
        sessions=sessions,
        login=Login(users, sessions, LoginLimits(redis), Passwords()),
        openid=_openid(settings, redis, users, sessions),
        audit=audit,
        audit_source=ReadableAuditTopic(AuditTopic(agent.brokers, settings.audit_topic)),
        recent_events=RecentEvents(),
        tokens=TokenStore(redis, now_ms),
        request_limits=RequestLimits(redis, settings.api_requests_per_minute),
        kept_answers=KeptAnswers(redis),
        views=SavedViewStore(redis),
        references=references,
        absences=AbsenceStore(redis),
        now_ms=now_ms,
        past=past,
        evidence=None if evidence is None else EvidenceDesk(evidence, settings.file_bytes_max),
    )
    server = _Server(_config(console))

    def stop() -> None:
        live.close()
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    runners: list[_Runner] = [feed, alert_feed, index, overview, audit, PendingEvents(redis, audit), erasures]
    if evidence is not None:
        runners.append(EvidenceCleanUp(partial(_remove_unlisted, agent, evidence)))
    tasks = [asyncio.create_task(each.run()) for each in runners]
    for task in tasks:
        task.add_done_callback(lambda _: stop())  # they only end by an unforeseen error
    on_serving()
    try:
        try:
            await server.serve(sockets=[listener])
        finally:
            await trials.close()  # before the audit log: what has become of an activation belongs there
            await explanations.close()
        for task in tasks:
            if task.done():
                task.result()
        await audit.stop(STOP_S_MAX)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=STOP_S_MAX)
        await index.close()
        await sink.close()
        await alerts.close()
        await actions.close()
        await past.close()
        await view.close()
        await close_redis(redis)


async def _remove_unlisted(agent: AgentSettings, evidence: EvidenceStore) -> int:
    return await remove_unlisted(agent, evidence, now_ms())


def _openid(settings: ServerSettings, redis: Redis, users: UserStore, sessions: SessionStore) -> OpenIdLogin | None:
    if settings.openid is None:
        return None
    provider = OpenIdProvider(settings.openid, fetch_url, time.time)
    return OpenIdLogin(settings.openid, provider, redis, users, sessions)


@contextmanager
def index_directory(configured: Path | None) -> Iterator[Path]:
    """The directory of the index; a temporary one, removed at the end, if none is configured."""
    if configured is not None:
        yield configured
        return
    with tempfile.TemporaryDirectory(prefix="fraudstream-console-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


async def _secret_of(redis: Redis) -> bytes:
    """The secret that Redis keeps; waits until Redis answers, as pages need it for everything else."""
    while True:
        try:
            return await read_or_make_secret(redis)
        except (RedisError, OSError) as error:
            log.error("the secret of references cannot be read: %s", redis_error_text(error))
            await asyncio.sleep(RETRY_S)


def redis_client(url: str) -> Redis:
    """A client for users, sessions and limits; not connected yet. Raises `ValueError` for an invalid URL."""
    return Redis.from_url(
        url, decode_responses=True, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
    )


def now_ms() -> int:
    """The time, ms since the epoch, UTC."""
    return time.time_ns() // 1_000_000


class _Runner(Protocol):
    """What goes on as long as the console does."""

    async def run(self) -> None:
        """Go on until it is cancelled."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: it would raise the signal again when it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: `serve` has handlers of its own."""
        yield


def _config(console: Console) -> uvicorn.Config:
    settings = console.settings
    return uvicorn.Config(
        create_app(console),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=STOP_S_MAX,
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
    )


def _alert_reader(agent: AgentSettings) -> ReadAlerts:
    async def read(partition: int, alert_ids: Sequence[str]) -> Mapping[str, Alert]:
        async with TopicReader(agent.brokers, committed_only=agent.fenced) as reader:
            return await find_alerts(reader, agent.alerts_topic, partition, alert_ids)

    return read
