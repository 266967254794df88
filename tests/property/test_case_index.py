"""The index of cases answers as a plain filter over the newest cases does: after changes, commits, crashes, restarts
and rebuilds, for drawn cases and queries."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fraudstream.cases.priority import urgency
from fraudstream.console.access.teams import Team
from fraudstream.console.index import CaseIndex
from fraudstream.console.queue_query import DISPOSITIONS, NOBODY, STATUS_FILTERS, Day, QueueQuery
from fraudstream.console.search.disk_index import DiskIndex
from fraudstream.console.search.tally import TalliedField, Tally
from fraudstream.contracts import Case, CaseAlert, CaseNote
from fraudstream.contracts.case_timers import CaseSnooze

IDS = ("a", "b0", "b00", "b01", "e1", "z", "Z9", "0f" * 16, "0f" * 15 + "ff")
WORDS = ("called", "card", "客户", "否认", "Straße", "x1")
SEARCHED = (
    *WORDS,
    "客",
    "户否",
    "CALLED",
    "strasse",
    "card called",
    "acc-1",
    "acc",
    "pay-12",
    "mule",
    "b0",
    "0f0",
    "!",
)
DAYS = (None, *(Day("", at, at + 10) for at in (10, 20, 30)))
STATES = ("new", "assigned", "in_review", "waiting", "escalated", "closed")

PARTNERS = {"acc-1": ("p1",), "acc-2": ("p1", "p2"), "z": ()}  # by account
PARTNER_TEAMS = (Team("d", partners=("p2",)), Team("e", ("cards",), ("mule",), ("p1",)))

cases = st.builds(
    lambda case_id, account, status, severity, score, opened, updated, rules, text, payment, end, line, more: Case(
        case_id=case_id,
        account_id=account,
        status=status,
        version=1,
        opened_at_ms=opened,
        updated_at_ms=updated,
        severity=severity,
        score=score,
        alert_count=1,
        alerts=(CaseAlert("alert-9", payment, opened, severity, score, "1.00", "EUR", rules, *line),),
        **more,
        rules=rules,
        notes=(CaseNote(updated, "ann", "note", " ".join(text)),),
        partners=(*PARTNERS[account], *line[1:2]) if line and line[1] else PARTNERS[account],
        disposition=end if status == "closed" else None,
        snooze=CaseSnooze(99, "ann", 0, "x1", 1) if end == "inconclusive" and status != "closed" else None,
    ),
    st.sampled_from(IDS),
    st.sampled_from(("acc-1", "acc-2", "z")),
    st.sampled_from(STATES),
    st.sampled_from(("low", "high")),
    st.sampled_from((0.0, 0.5, 0.500001, 1.0)),
    st.sampled_from((10, 19, 20, 30)),
    st.sampled_from((10, 19, 20, 30)),
    st.sampled_from(((), ("mule/fast",), ("mule/fast", "takeover/new_device"))),
    st.lists(st.sampled_from(WORDS), max_size=3),
    st.sampled_from(("pay-1", "pay-12")),
    st.sampled_from(DISPOSITIONS),
    st.sampled_from(((), ("app", None), ("partner", "wallet-9"))),
    st.builds(
        lambda who, queue, totals, level, found: {
            "assignee": who,
            "queue": queue,
            "amount_totals": totals,
            **level,
            **found,
        },
        st.sampled_from((None, "ann", "bob")),
        st.sampled_from((None, "cards")),
        st.sampled_from(({}, {"EUR": "1.00"}, {"EUR": "99999999999999.99", "JPY": "7"}, {"none": "1"})),
        st.sampled_from(({}, {"warned_at_ms": 1}, {"warned_at_ms": 1, "breached_at_ms": 2})),
        st.sampled_from(({}, {}, {"tags": ("x1",)}, {"tags": ("vip",), "other_accounts": ("acc-7", "z-acc")})),
    ),
)
queries = st.builds(
    QueueQuery,
    status=st.sampled_from(STATUS_FILTERS),
    severity=st.sampled_from((None, None, "high")),
    typology=st.sampled_from((None, None, "mule")),
    assignee=st.sampled_from((None, None, "ann", NOBODY)),
    queue=st.sampled_from((None, None, "cards")),
    tag=st.sampled_from((None, None, None, "x1", "vip")),
    text=st.sampled_from(("", "", "", *SEARCHED)),
    order=st.sampled_from(("urgency", "score", "oldest", "newest")),
    disposition=st.sampled_from((None, None, None, "inconclusive")),
    opened_from=st.sampled_from(DAYS),
    opened_to=st.sampled_from(DAYS),
    updated_from=st.sampled_from((None, *DAYS)),
    updated_to=st.sampled_from((None, *DAYS)),
    level=st.sampled_from((None, None, None, "warned", "breached")),
    channel=st.sampled_from((None, None, None, "app")),
    partner=st.sampled_from((None, None, None, "wallet-9")),
    rule=st.sampled_from((None, None, None, "mule/fast")),
    account_parts=st.booleans(),
    team=st.sampled_from((None, None, Team("a", ("cards",)), Team("b", (), ("mule",)), Team("c"), *PARTNER_TEAMS)),
)
steps = st.lists(
    cases | st.sampled_from(IDS) | st.sampled_from(("commit", "commit", "restart", "crash", "rebuild")), max_size=20
)
ORDER: dict[str, Callable[[Case], tuple[Any, str]]] = {
    "urgency": lambda case: (-urgency(case), case.case_id),
    "score": lambda case: (-case.score, case.case_id),
    "oldest": lambda case: (case.opened_at_ms, case.case_id),
    "newest": lambda case: (-case.updated_at_ms, case.case_id),
}


def state(case: Case) -> str:
    return case.status if case.snooze is None else "snoozed"


def level(case: Case) -> str | None:
    return "breached" if case.breached_at_ms else "warned" if case.warned_at_ms else None


def typologies(case: Case) -> set[str]:
    return {rule.split("/")[0] for rule in case.rules}


def is_seen(case: Case, team: Team) -> bool:
    of_partner = bool(set(case.partners) & set(team.partners))
    of_work = case.queue in team.queues or bool(typologies(case) & set(team.typologies))
    if not (team.queues or team.typologies):
        return of_partner
    return of_work and (of_partner or not team.partners)


def has_part(case: Case, part: str, account_parts: bool) -> bool:
    """Written for the words above alone, and unlike the index."""
    if part in case.accounts:
        return True
    ids = {case.case_id, case.alerts[0].event_id, *(case.accounts if account_parts else [])}
    if part in ids or (len(part) >= 3 and any(each.startswith(part) for each in ids)):
        return True
    texts = [*case.notes[0].text.split(), *case.tags, *(["x1"] if case.snooze else [])]
    texts += [word for rule in case.rules for word in rule.replace("_", "/").split("/")]
    account = [word for each in case.accounts for word in each.split("-")]
    if account_parts and set(part.casefold().split("-")) <= set(account):
        return True
    if part.isascii() or part == "Straße":
        return part.casefold() in {text.casefold() for text in texts}
    return any(part in text for text in texts)


def matches(case: Case, query: QueueQuery, but: str = "") -> bool:
    tests = {
        "status": query.status == "all"
        or (state(case) not in ("closed", "snoozed") if query.status == "active" else state(case) == query.status),
        "severity": query.severity in (None, case.severity),
        "typology": query.typology is None or query.typology in typologies(case),
        "assignee": query.assignee in (None, case.assignee or NOBODY),
        "queue": query.queue in (None, case.queue),
        "tag": query.tag is None or query.tag in case.tags,
        "disposition": query.disposition in (None, case.disposition),
        "opened_from": query.opened_from is None or case.opened_at_ms >= query.opened_from.from_ms,
        "opened_to": query.opened_to is None or case.opened_at_ms < query.opened_to.before_ms,
        "updated_from": query.updated_from is None or case.updated_at_ms >= query.updated_from.from_ms,
        "updated_to": query.updated_to is None or case.updated_at_ms < query.updated_to.before_ms,
        "level": query.level in (None, level(case)),
        "channel": query.channel in (None, *(line.channel for line in case.alerts)),
        "partner": query.partner in (None, *case.partners),
        "rule": query.rule is None or query.rule in case.rules,
        "text": all(has_part(case, part, query.account_parts) for part in query.text.split()),
        "team": query.team is None or is_seen(case, query.team),
    }
    return all(passed for name, passed in tests.items() if name != but)


class Log:
    """The topic, and the index that follows it in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.records = directory, list[tuple[str, Case | None]]()
        self.newest: dict[str, Case] = {}
        self.index = CaseIndex(DiskIndex(directory, lambda: 0))

    async def append(self, case_id: str, case: Case | None) -> None:
        if case is None:
            self.newest.pop(case_id, None)
        else:
            case = self.newest[case_id] = replace(case, version=1 + len(self.records))
        self.records.append((case_id, case))
        await self.catch_up()

    async def catch_up(self) -> None:
        for offset in range(self.index.offsets.get(0, 0), len(self.records)):
            case_id, case = self.records[offset]
            if case is None:
                self.index.remove(case_id)
            else:
                self.index.put(case, 0)
            self.index.on_read(0, offset + 1)
            await self.index.make_room()
        await self.index.on_live()

    async def take(self, step: Case | str) -> None:
        match step:
            case Case():
                await self.append(step.case_id, step)
            case "commit":
                await self.index.commit()
            case "restart" | "crash" | "rebuild":
                if step == "crash":
                    self.index._disk.close()  # what was not committed is lost
                else:
                    await self.index.close()
                self.index = CaseIndex(DiskIndex(self.directory, lambda: 0, rebuild=step == "rebuild"))
                await self.catch_up()
            case _:
                await self.append(step, None)

    def check(self, query: QueueQuery) -> None:
        expected = sorted((each for each in self.newest.values() if matches(each, query)), key=ORDER[query.order])
        found, after = list[str](), None
        while True:
            page = self.index.page(query, after, 2)
            found += [row.case_id for row in page.rows]
            assert page.total == len(expected)
            if (after := page.next_after) is None:
                break
        assert found == [each.case_id for each in expected]
        self.check_counts(query)
        for case in self.newest.values():
            self.check_case(case, query, expected)

    def check_counts(self, query: QueueQuery) -> None:
        counts = self.index.page(query, None, 2).counts
        per: dict[str, Callable[[Case], Sequence[str]]] = {
            "severity": lambda case: (case.severity,),
            "typology": lambda case: sorted(typologies(case)),
            "tag": lambda case: case.tags,
            "assignee": lambda case: (case.assignee or NOBODY,),
            "queue": lambda case: (case.queue,) if case.queue else (),
            "status": lambda case: (
                (state(case), "all", *(() if state(case) in ("closed", "snoozed") else ("active",)))
            ),
        }
        for name, values in per.items():
            cases = [each for each in self.newest.values() if matches(each, query, but=name)]
            expected = Counter(value for each in cases for value in values(each))
            assert {value: count for value, count in counts[name].items() if count} == expected  # type: ignore[index]

    def check_tally(self, query: QueueQuery, split: Literal["disposition", "level"]) -> None:
        """Against counts made of the cases as they are."""
        bounds = (10, 20, 30)
        fields: tuple[TalliedField, ...] = ("queue", "assignee", "channel", "partner", "rule")
        found = self.index.tally(Tally(query, split, fields, bounds, bounds, amounts=True))
        cases = [each for each in self.newest.values() if matches(each, query)]

        def split_of(each: Case) -> str:
            return (each.disposition if split == "disposition" else level(each)) or ""

        values: dict[str, Callable[[Case], Sequence[str]]] = {
            "queue": lambda each: (each.queue or "",),
            "assignee": lambda each: (each.assignee or NOBODY,),
            "channel": lambda each: [line.channel for line in each.alerts if line.channel],
            "partner": lambda each: each.partners,
            "rule": lambda each: each.rules,
        }
        assert found.cases == Counter(map(split_of, cases))
        assert found.fields == {
            name: Counter((value, split_of(each)) for each in cases for value in of(each))
            for name, of in values.items()
        }
        spans = [(each, each.opened_at_ms // 10 - 1) for each in cases]  # a case is opened when its alert comes
        assert found.opened == Counter((span, split_of(each)) for each, span in spans if span < 2)
        assert found.alerted == Counter(span for _, span in spans if span < 2)
        money = Counter[tuple[str, str]]()
        for each in cases:
            for currency, minor in {"EUR": 100, "JPY": 7}.items():
                if (text := each.amount_totals.get(currency)) is not None:
                    money[currency, split_of(each)] += minor if len(text) < 6 else 9_999_999_999_999_999
        assert found.amount_minor == money
        assert found.oldest_ms == {
            queue: min(each.opened_at_ms for each in cases if (each.queue or "") == queue)
            for queue in {each.queue or "" for each in cases}
        }

    def check_case(self, case: Case, query: QueueQuery, expected: Sequence[Case]) -> None:
        row = self.index.row(case.case_id)
        assert row is not None
        assert row.version == case.version
        here = ORDER[query.order](case)
        before = [each.case_id for each in expected if ORDER[query.order](each) < here][-1:]
        behind = [each.case_id for each in expected if ORDER[query.order](each) > here][:1]
        found = self.index.neighbours(row, query)
        assert [[each.case_id] if each else [] for each in found] == [before, behind]


@settings(max_examples=25)
@given(steps, st.lists(queries, min_size=1, max_size=8))
def test_the_index_answers_as_a_plain_filter_does(steps: Sequence[Case | str], asked: Sequence[QueueQuery]) -> None:
    async def follow() -> None:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
            patch("fraudstream.console.search.batches.BATCH_CASES", 2),
        ):
            log = Log(Path(directory))
            await log.index.on_live()
            for step in steps:
                await log.take(step)
            for query in (QueueQuery(), *asked):
                log.check(query)
                log.check_tally(query, "disposition")
                log.check_tally(query, "level")
            await log.index.close()

    asyncio.run(follow())


@settings(max_examples=15)
@given(
    st.lists(st.lists(cases | st.sampled_from(IDS), min_size=1, max_size=3), min_size=2, max_size=12),
    st.lists(queries, min_size=1, max_size=5),
)
def test_counts_carried_over_many_commits_are_those_of_a_plain_filter(
    commits: Sequence[Sequence[Case | str]], asked: Sequence[QueueQuery]
) -> None:
    """Each query is asked after every commit, so its counts are made anew once and then carried."""

    async def follow() -> None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
            log = Log(Path(directory))
            await log.index.on_live()
            for steps in commits:
                for step in steps:
                    await log.take(step)
                await log.index.commit()
                for query in (QueueQuery(status="all"), *asked):
                    log.check_counts(query)
            await log.index.close()

    asyncio.run(follow())
