"""Merge and split as a state machine, against a model that knows only which alert is in which case.

Whatever is merged and split, every alert is in one case, a case that is closed labels the payments of its own alerts
and no others, and an agent that reads the cases back goes on as if it had never stopped. Of an erased case
nothing is left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.held import Held, HeldPair, RepeatedAction, Source
from fraudstream.cases.labels import labels_of
from fraudstream.cases.refusal import RejectedAction
from fraudstream.cases.retention import ErasedCase
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import CaseAction
from tests.unit.cases.events import action, alert

ACCOUNTS = ("acc-1", "acc-2", "acc-3")
PICK = st.integers(0, 20)


class MergedAndSplit(RuleBasedStateMachine):
    """The model: `alerts` of each case, by their ids; `joins`: the case that alerts of an account join; `closed`."""

    def __init__(self) -> None:
        super().__init__()
        self.store = CaseStore()
        self.log: list[tuple[Held, ...] | ErasedCase] = []  # what was emitted together
        self.count = 0
        self.account_of: dict[str, str] = {}
        self.alerts: dict[str, list[str]] = {}
        self.joins: dict[str, str] = {}
        self.apart: set[str] = set()  # cases that were split off
        self.closed: set[str] = set()
        self.sent: list[CaseAction] = []
        self.case_accounts: dict[str, list[str]] = {}
        self.notes: defaultdict[str, list[str]] = defaultdict(list)

    @rule(account=st.sampled_from(ACCOUNTS))
    def add_alert(self, account: str) -> None:
        self.count += 1
        alert_id = f"a{self.count}"
        held = self.store.alert(alert(alert_id, account, amount="1.10"), Source(0, self.count), origin=int(account[-1]))
        assert held is not None
        expected = self.joins.get(account) or case_id_of(account, alert_id)
        assert held.case.case_id == expected
        if account not in self.joins:
            self.joins[account], self.case_accounts[expected] = expected, [account]
        self.account_of[alert_id] = account
        self.alerts.setdefault(expected, []).append(alert_id)
        self.log.append((held,))

    @precondition(lambda self: self.account_of)
    @rule(pick=PICK)
    def repeat_an_alert(self, pick: int) -> None:
        alert_id = self.picked(sorted(self.account_of), pick)
        given = alert(alert_id, self.account_of[alert_id], amount="1.10")
        assert self.store.alert(given, Source(0, int(alert_id[1:]))) is None

    @precondition(lambda self: self.sent)
    @rule(pick=PICK)
    def repeat_an_action(self, pick: int) -> None:
        assert isinstance(self.store.act(self.picked(self.sent, pick)), RepeatedAction)

    @precondition(lambda self: self.open_cases())
    @rule(first=PICK, second=PICK)
    def merge(self, first: int, second: int) -> None:
        case_id, other_id = self.picked(self.open_cases(), first), self.picked(sorted(self.alerts), second)
        result = self.send("merge", case_id, other_case_id=other_id)
        accounts, others = self.case_accounts[case_id], self.case_accounts[other_id]
        is_apart = bool({case_id, other_id} & self.apart) and not set(accounts) <= set(others)
        if case_id == other_id or other_id in self.closed or is_apart:
            assert isinstance(result, RejectedAction)
            assert result.code in ("same_case", "other_closed", "split_off")
            return
        assert isinstance(result, HeldPair)
        assert (result.held.case.merged_into, result.held.case.status) == (other_id, "closed")
        assert labels_of(result.held.case, self.sent[-1]) == []
        if case_id not in self.apart:
            self.joins |= dict.fromkeys(accounts, other_id)
            self.apart.discard(other_id)
        self.case_accounts[other_id] = list(dict.fromkeys(others + accounts))
        self.case_accounts[case_id] = accounts[:1]
        self.alerts[other_id] += self.alerts[case_id]
        self.alerts[case_id] = []
        self.closed.add(case_id)
        self.notes[other_id] += self.notes[case_id]

    @precondition(lambda self: self.open_cases())
    @rule(pick=PICK, chosen=st.sets(PICK, min_size=1, max_size=3))
    def split(self, pick: int, chosen: set[int]) -> None:
        case_id = self.picked(self.open_cases(), pick)
        alert_ids = sorted({self.picked(self.alerts[case_id], each) for each in chosen})
        result = self.send("split", case_id, alert_ids=tuple(alert_ids))
        accounts = {self.account_of[each] for each in alert_ids}
        if len(alert_ids) == len(self.alerts[case_id]) or len(accounts) > 1:
            assert isinstance(result, RejectedAction)
            assert result.code in ("nothing_left", "several_accounts")
            return
        assert isinstance(result, HeldPair)
        (account,) = accounts
        new_id = case_id_of(account, self.sent[-1].action_id)
        assert result.other.case.case_id == new_id == result.held.case.links[-1]
        self.alerts[new_id], self.notes[new_id] = alert_ids, [self.sent[-1].action_id]
        self.alerts[case_id] = [each for each in self.alerts[case_id] if each not in alert_ids]
        self.case_accounts[new_id] = [account]
        own = self.case_accounts[case_id][0]
        if account != own and account not in {self.account_of[each] for each in self.alerts[case_id]}:
            self.case_accounts[case_id].remove(account)
            if case_id not in self.apart:
                self.joins[account] = new_id
        else:
            self.apart.add(new_id)

    @precondition(lambda self: self.open_cases())
    @rule(pick=PICK)
    def close(self, pick: int) -> None:
        case_id = self.picked(self.open_cases(), pick)
        result = self.send("close", case_id, disposition="false_positive")
        assert isinstance(result, Held)
        labels = labels_of(result.case, self.sent[-1])
        expected = {f"event-of-{each}": self.account_of[each] for each in self.alerts[case_id]}
        assert {each.event_id: each.account_id for each in labels} == expected
        assert all(result.origin_of(each.account_id) == int(each.account_id[-1]) for each in labels)
        self.closed.add(case_id)
        self.joins = {account: joined for account, joined in self.joins.items() if joined != case_id}

    @precondition(lambda self: self.closed)
    @rule(pick=PICK)
    def reopen(self, pick: int) -> None:
        case_id = self.picked(sorted(self.closed), pick)
        result = self.send("reopen", case_id)
        is_taken = case_id not in self.apart and any(each in self.joins for each in self.case_accounts[case_id])
        if not self.alerts[case_id] or is_taken:
            assert isinstance(result, RejectedAction)
            assert result.code in ("merged", "other_case_open")
            return
        assert isinstance(result, Held)
        self.closed.remove(case_id)
        if case_id not in self.apart:
            self.joins |= dict.fromkeys(self.case_accounts[case_id], case_id)

    @precondition(lambda self: self.alerts)
    @rule(pick=PICK)
    def erase(self, pick: int) -> None:
        case_id = self.picked(sorted(self.alerts), pick)
        given = action("erase", case_id, "eve", note="a request", account_id=self.case_accounts[case_id][0])
        erased = self.store.act(given)
        assert erased == ErasedCase(case_id)
        self.log.append(erased)
        for alert_id in self.alerts.pop(case_id):
            del self.account_of[alert_id]
        del self.case_accounts[case_id]
        self.notes.pop(case_id, None)
        self.closed.discard(case_id)
        self.apart.discard(case_id)
        self.joins = {account: joined for account, joined in self.joins.items() if joined != case_id}
        self.sent = [each for each in self.sent if each.case_id != case_id]

    @rule(is_compacted=st.booleans())
    def restart(self, is_compacted: bool) -> None:
        """Read the cases back, with the former records of each or without."""
        records = [each for together in self.log for each in as_records(together)]
        if is_compacted:
            newest = {case_id: number for number, (case_id, _) in enumerate(records)}
            records = [each for number, each in enumerate(records) if newest[each[0]] == number]
        before = {held.case.case_id: held for held in self.store}
        self.store = CaseStore()
        for case_id, held in records:
            if held is None:
                self.store.remove(case_id)
            else:
                self.store.restore(held)
        assert {held.case.case_id: held for held in self.store} == before

    def send(self, name: str, case_id: str, **fields: Any) -> Held | HeldPair | RejectedAction:
        self.count += 1
        account = self.case_accounts[case_id][0]
        given = action(name, case_id, "ann", f"x{self.count}", note=f"x{self.count}", account_id=account, **fields)
        result = self.store.act(given)
        assert not isinstance(result, RepeatedAction | ErasedCase)
        if not isinstance(result, RejectedAction):
            self.sent.append(given)
            self.notes[case_id].append(given.action_id)
            self.log.append(tuple(result) if isinstance(result, HeldPair) else (result,))
        return result

    def open_cases(self) -> list[str]:
        return sorted(self.alerts.keys() - self.closed)

    def picked(self, of: list[Any], pick: int) -> Any:
        return of[pick % len(of)]

    @invariant()
    def every_alert_is_in_the_case_that_the_model_says(self) -> None:
        for case_id, alert_ids in self.alerts.items():
            case = self.store.case(case_id)
            assert case is not None
            listed = {line.alert_id: case.account_of(line) for line in case.alerts}
            assert listed == {each: self.account_of[each] for each in alert_ids}
            assert case.alert_count == len(alert_ids)
            assert case.amount_totals == ({"EUR": f"{1.1 * len(alert_ids):.2f}"} if alert_ids else {})
            assert set(case.accounts) == set(self.case_accounts[case_id])
        assert self.store.open_cases == len(self.open_cases())

    @invariant()
    def no_note_is_lost(self) -> None:
        for held in self.store:
            assert Counter(note.text for note in held.case.notes) == Counter(self.notes[held.case.case_id])


def as_records(together: tuple[Held, ...] | ErasedCase) -> list[tuple[str, Held | None]]:
    if isinstance(together, ErasedCase):
        return [(together.case_id, None)]
    return [(held.case.case_id, held) for held in together]


MergedAndSplit.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestMergedAndSplit = MergedAndSplit.TestCase
