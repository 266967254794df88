"""A console for tests: its web application on a real Redis, with cases, alerts and a case agent that the test sets."""

from __future__ import annotations

import asyncio
import atexit
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.routing import Mount

from fraudstream.audit.chain import Chain
from fraudstream.audit.recent_events import RecentEvents
from fraudstream.audit.source import StoredRecord
from fraudstream.audit.writer import AuditUnavailableError
from fraudstream.cases.absences import AbsenceStore
from fraudstream.cases.grouping import opened_by_hand
from fraudstream.cases.held import Held, HeldPair, Memo
from fraudstream.cases.lifecycle import acted_on
from fraudstream.cases.policy import NO_POLICY
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.store import CaseStore
from fraudstream.cases.view import CaseView
from fraudstream.console.access.idempotency import KeptAnswers
from fraudstream.console.access.login import Login
from fraudstream.console.access.login_limits import LoginLimits
from fraudstream.console.access.openid_login import OpenIdLogin
from fraudstream.console.access.openid_provider import OpenIdProvider
from fraudstream.console.access.passwords import Passwords
from fraudstream.console.access.references import References
from fraudstream.console.access.request_limits import RequestLimits
from fraudstream.console.access.roles import Role
from fraudstream.console.access.sessions import SessionStore
from fraudstream.console.access.teams import Team, TeamStore
from fraudstream.console.access.tokens import Scope, TokenStore, new_token
from fraudstream.console.access.users import User, UserStore
from fraudstream.console.alert_source import AlertSource
from fraudstream.console.app import create_app
from fraudstream.console.desk import CaseDesk
from fraudstream.console.evidence import EvidenceDesk
from fraudstream.console.explanations import Explanations
from fraudstream.console.index import CaseIndex
from fraudstream.console.live import LiveChanges
from fraudstream.console.overview.desk import OverviewDesk
from fraudstream.console.overview.figures_desk import FiguresDesk
from fraudstream.console.past import PastDesk
from fraudstream.console.rules.approval import Approval
from fraudstream.console.rules.desk import RuleDesk
from fraudstream.console.rules.drafts import DraftStore
from fraudstream.console.rules.entries import ListDesk
from fraudstream.console.rules.library import RuleLibrary
from fraudstream.console.rules.proposals import ProposalStore
from fraudstream.console.rules.trials import Trials, TrialSettings
from fraudstream.console.saved_views import SavedViewStore
from fraudstream.console.search.disk_index import DiskIndex
from fraudstream.console.settings import ServerSettings
from fraudstream.console.web.console import Console
from fraudstream.contracts import Alert, AuditEvent, Case, CaseAction, ListEntry, RuleSwitch
from fraudstream.engine.rule_set import compile_rule_set
from fraudstream.evidence.directory_store import DirectoryStore
from fraudstream.operations.case_actions import CaseActionResult, RejectedActionError, RejectedOpeningError
from fraudstream.operations.rules_in_force import InForce
from tests.unit.console.openid_provider import ProviderUnderTest

SECRET = b"a secret of the tests"  # of references
PASSWORD = "correct horse battery"
FILE_BYTES_MAX = 100_000
ORIGIN = "http://console.test"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # argon2 is slow on purpose

RULE_FILES = {
    "features.yaml": "version: 1\nentities:\n  account: {key: account_id, slots: 16}\n"
    "features:\n  account.payments_1d: {aggregate: count, window: 1d}\n",
    "lists.yaml": "lists:\n  stolen_devices: {of: device_id, kind: deny, description: devices reported stolen}\n"
    "  known_shops: {of: merchant_id, kind: allow, description: shops of the bank}\n",
    "takeover/new_device.yaml": "id: 11111111-2222-4333-8444-555555555555\ntitle: New device\nstatus: live\n"
    'severity: high\nwhen: amount > 200\nmessage: "{amount}"\n',
    "takeover/busy.yaml": "id: 21111111-2222-4333-8444-555555555555\ntitle: Busy account\nstatus: shadow\n"
    'severity: low\nwhen: account.payments_1d >= 3\nmessage: "{account.payments_1d}"\n',
}


def case(case_id: str = "c" * 32, account_id: str = "acc-1", **fields: Any) -> Case:
    values: dict[str, Any] = {
        "case_id": case_id,
        "account_id": account_id,
        "status": "new",
        "version": 1,
        "opened_at_ms": 1_772_625_600_000,
        "updated_at_ms": 1_772_625_600_000,
        "severity": "high",
        "score": 0.5,
        "alert_count": 0,
        "alerts": (),
        "amount_totals": {"EUR": "10.00"},
        "rules": ("takeover/new_device",),
    }
    return Case(**(values | fields))


class AuditUnderTest:
    """An audit log and its source in memory. `fails`: events that wait are refused; `is_full`: the others."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.fails = self.is_full = False

    @property
    def is_failing(self) -> bool:
        return self.fails

    async def record(self, event: AuditEvent) -> None:
        if self.fails:
            raise AuditUnavailableError
        self.events.append(event)

    def note(self, event: AuditEvent) -> None:
        if self.is_full:
            raise AuditUnavailableError
        self.events.append(event)

    def of(self, *actions: str) -> list[tuple[str | None, str, str, str | None, str | None]]:
        """Actor, action, outcome, object and detail of the events with these actions, or of all."""
        return [
            (each.actor, each.action, each.outcome, each.object, each.detail)
            for each in self.events
            if not actions or each.action in actions
        ]

    def values(self) -> list[bytes]:
        chain = Chain("chain", ())
        return [chain.link(each) for each in self.events]

    async def forward(self) -> AsyncIterator[StoredRecord]:
        for offset, value in enumerate(self.values()):
            yield StoredRecord(offset, value)

    async def newest(
        self, wanted: Callable[[bytes], bool], limit: int, before: int | None, look_at_max: int
    ) -> tuple[list[StoredRecord], int | None]:
        found = [StoredRecord(*each) for each in enumerate(self.values()) if wanted(each[1])]
        found = [each for each in reversed(found) if before is None or each.offset < before]
        return found[:limit], found[limit - 1].offset if len(found) > limit else None


@cache
def empty_disk_index() -> DiskIndex:
    """An index without cases, for tests that commit nothing to it."""
    directory = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, directory)
    return DiskIndex(Path(directory), lambda: 0)


class ConsoleUnderTest:
    """`app` with its parts. `put` is the case agent's record of a case, `alerts` what the topic of alerts holds."""

    def __init__(self, redis_url: str, prefix: str, provider: ProviderUnderTest | None = None, **settings: Any) -> None:
        self.now_ms = 1_772_629_200_000
        self.alerts: dict[str, Alert] = {}
        self.published: list[CaseAction] = []
        self.policy = NO_POLICY  # of the case agent
        self.rule_files = dict(RULE_FILES)  # of the rules in force
        self.artefacts: dict[str, bytes] = {}
        self.entries: list[ListEntry] = []  # of lists
        self.switches: list[RuleSwitch] = []  # to earlier rule sets
        self.stored: dict[str, Mapping[str, str]] = {}  # earlier rule sets
        self.newest: dict[str, Case] = {}  # what the case agent has and the view does not yet
        self.redis = Redis.from_url(redis_url, decode_responses=True)
        self.index = CaseIndex(empty_disk_index(), is_live=True)
        self.live = LiveChanges(heartbeat_s=0.05)
        self.view = CaseView(redis_url, prefix=prefix)
        self.users = UserStore(self.redis)
        self.teams = TeamStore(self.redis)
        self.sessions = SessionStore(self.redis, idle_s=3600, life_s=36_000, now_ms=lambda: self.now_ms)
        self.absences = AbsenceStore(self.redis, f"{prefix}absences")
        self.views = SavedViewStore(self.redis)
        self.references = References(SECRET)
        self.passwords = Passwords(CHEAP)
        self.desk = CaseDesk(
            self.index, self.live, self.view, AlertSource(self._read), self._publish, self._open, lambda: self.now_ms
        )
        self.audit = AuditUnderTest()
        self.files = Path(tempfile.mkdtemp(prefix="fraudstream-evidence-"))  # those of cases
        self.evidence = EvidenceDesk(DirectoryStore(self.files), FILE_BYTES_MAX)
        self.openid = None if provider is None else self._openid(provider)
        self.tokens = TokenStore(self.redis, lambda: self.now_ms)
        self.trials = Trials(TrialSettings([sys.executable, "-c", ""], {}), self.live, lambda: self.now_ms)
        library = RuleLibrary(self._read_in_force, self._read_artefacts, None, lambda: self.now_ms)
        self.explanations = Explanations(self.trials.settings, library)
        console = Console(
            settings=ServerSettings(**settings),
            desk=self.desk,
            approval=Approval(
                library,
                ProposalStore(self.redis),
                self.trials,
                ServerSettings(**settings).four_eyes,
                lambda: self.now_ms,
            ),
            lists=ListDesk(library, lambda: self.now_ms),
            explanations=self.explanations,
            overview=OverviewDesk(self.index, self.live, ServerSettings(**settings).zone, lambda: self.now_ms),
            figures=FiguresDesk(PastDesk(None), self.live),
            rules=RuleDesk(
                library,
                DraftStore(self.redis),
                self.trials,
                self.index,
                ServerSettings(**settings).zone,
                lambda: self.now_ms,
            ),
            live=self.live,
            users=self.users,
            teams=self.teams,
            sessions=self.sessions,
            login=Login(self.users, self.sessions, LoginLimits(self.redis), self.passwords),
            openid=self.openid,
            audit=self.audit,
            audit_source=self.audit,
            recent_events=RecentEvents(),
            tokens=self.tokens,
            request_limits=RequestLimits(self.redis, ServerSettings(**settings).api_requests_per_minute),
            kept_answers=KeptAnswers(self.redis),
            views=self.views,
            references=self.references,
            absences=self.absences,
            now_ms=lambda: self.now_ms,
            evidence=self.evidence,
        )
        self._console = console
        self.app: FastAPI = create_app(console)
        self.live.on_state("live")

    def _openid(self, provider: ProviderUnderTest) -> OpenIdLogin:
        at = OpenIdProvider(provider.settings, provider.fetch, lambda: self.now_ms / 1000)
        return OpenIdLogin(provider.settings, at, self.redis, self.users, self.sessions)

    def client(self, base_url: str = ORIGIN) -> httpx.AsyncClient:
        """A browser without cookies that follows no redirects."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url=base_url, headers={"accept": "text/html"}
        )

    async def add_user(self, name: str, role: Role, **fields: Any) -> None:
        await self.users.put(User(name, role, CHEAP.hash(PASSWORD), **fields))

    async def logged_in(self, name: str, role: Role, **fields: Any) -> httpx.AsyncClient:
        """The browser of a new user who has logged in."""
        await self.add_user(name, role, **fields)
        client = self.client()
        answer = await log_in(client, name)
        assert answer.status_code == 303, answer.text
        return client

    def keep_no_files(self) -> None:
        """As if no directory were set."""
        mounted = [route.app for route in self.app.routes if isinstance(route, Mount)]
        for app in (self.app, *(each for each in mounted if isinstance(each, FastAPI))):
            app.state.console = replace(self._console, evidence=None)

    def use_past(self, past: PastDesk) -> None:
        """Show this history."""
        self.app.state.console = replace(self._console, past=past, figures=FiguresDesk(past, self.live))

    async def add_team(self, team: Team) -> None:
        await self.teams.put(team, AuditEvent(self.now_ms, "change_user", "done", "command line"))

    async def program(self, *scopes: Scope, lives_ms: int = 1_000_000, team: str | None = None) -> httpx.AsyncClient:
        """A program with a new token."""
        made = new_token("core", scopes, self.now_ms, self.now_ms + lives_ms, team)
        await self.tokens.put(made.token, AuditEvent(self.now_ms, "change_token", "done", "command line"))
        client = self.client()
        client.headers.update({"authorization": f"Bearer {made.text}", "accept": "application/json"})
        return client

    async def put(self, *cases: Case) -> None:
        """The case agent has written these cases."""
        await self.view.put(0, cases)
        for each in cases:
            if self.index.put(each, 0):
                self.live.on_case(each.case_id)

    async def _read_in_force(self, before: InForce | None) -> InForce:
        rule_set = compile_rule_set(self.rule_files, None, self.artefacts)
        stored = {**self.stored, rule_set.digest: rule_set.files}
        return InForce(
            rule_set.digest, rule_set, self.artefacts, tuple(self.entries), None, tuple(self.switches), stored
        )

    async def _read_artefacts(self, files: Mapping[str, str]) -> Mapping[str, bytes]:
        return self.artefacts

    async def _read(self, partition: int, alert_ids: Sequence[str]) -> Mapping[str, Alert]:
        return {alert_id: self.alerts[alert_id] for alert_id in alert_ids if alert_id in self.alerts}

    async def _publish(self, case: Case, partition: int, action: CaseAction) -> CaseActionResult:
        """The case agent: decides by the life cycle itself."""
        self.published.append(action)
        newest = self.newest.get(case.case_id, case)
        others = (row.case_id for row in self.index.of_account(case.account_id) if row.status != "closed")
        if action.action in ("merge", "split"):
            return await self._act_on_two(newest, partition, action)
        match acted_on(newest, action, next((each for each in others if each != case.case_id), None), self.policy):
            case RejectedAction(code, sentence):
                raise RejectedActionError(action, newest, code, sentence)
            case after:
                await self.view.put(partition, [after])
                return CaseActionResult(action, after)

    async def _act_on_two(self, newest: Case, partition: int, action: CaseAction) -> CaseActionResult:
        store = CaseStore(self.policy)
        for each in (newest, await self.view.case(action.other_case_id or "")):
            if each is not None:
                memo = Memo(sources=(None,) * len(each.alerts), digests=("",) * len(each.alerts))
                store.restore(Held(each, memo))
        match store.act(action):
            case RejectedAction(code, sentence):
                raise RejectedActionError(action, newest, code, sentence)
            case HeldPair(held, other):
                await self.put(other.case)
                await self.view.put(partition, [held.case])
                return CaseActionResult(action, held.case)
            case result:
                raise AssertionError(result)

    async def _open(self, action: CaseAction, partition: int | None) -> tuple[Case, int]:
        self.published.append(action)
        if any(row.status != "closed" for row in self.index.of_account(action.account_id)):
            raise RejectedOpeningError(action, "other_case_open", "it has one.")
        opened = opened_by_hand(action)
        await self.view.put(partition or 0, [opened])
        return opened, partition or 0

    async def close(self) -> None:
        shutil.rmtree(self.files)
        await self.trials.close()
        await self.explanations.close()
        async for key in self.redis.scan_iter(match="fraudstream:console:*"):
            await self.redis.delete(key)
        await self.view.clear()
        await self.view.close()
        await self.redis.aclose()


def token_of(page: str) -> str:
    """The token of the first form of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


async def log_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
    """Fill in the form of the log-in page and send it."""
    form = await client.get("/login")
    token = token_of(form.text)
    return await client.post("/login", data={"csrf": token, "name": name, "password": password, **fields})


async def post(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form with the session's token."""
    page = await client.get("/")
    return await client.post(path, data={"csrf": token_of(page.text), **fields})


async def soon() -> None:
    """Let other tasks run."""
    for _ in range(5):
        await asyncio.sleep(0)
