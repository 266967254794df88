"""The life of a case as a state machine, against a model that knows only who works the case and what it is."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fraudstream.cases.grouping import case_id_of
from fraudstream.cases.held import Held
from fraudstream.cases.notices import AnsweredNotice, RefusedAnswer, open_notice
from fraudstream.cases.refusal import NOTICES_MAX, RejectedAction
from fraudstream.cases.store import CaseStore
from fraudstream.contracts import Case
from tests.unit.cases.events import action, alert, answer, description

USERS = st.sampled_from(("ann", "bob"))


class LifeOfACase(RuleBasedStateMachine):
    """One account. The model: `status`, `worker`, and how many alerts and changes there were."""

    def __init__(self) -> None:
        super().__init__()
        self.store = CaseStore()
        self.count = self.cases = 0
        self.status = "closed"
        self.worker: str | None = None
        self.is_snoozed = False
        self.tags: list[str] = []
        self.files: list[str] = []
        self.notice = ""  # id of the one that is open
        self.notices = 0
        self.version = 0
        self.case_id = ""
        self.add_alert()

    @rule()
    def add_alert(self) -> None:
        self.count += 1
        alert_id = f"a{self.count}"
        assert self.store.alert(alert(alert_id), None) is not None
        if self.status == "closed":  # a new case
            self.case_id, self.status, self.worker, self.version = case_id_of("acc-1", alert_id), "new", None, 0
            self.tags = []
            self.files = []
            self.notices = 0
        self.version += 1

    @rule(user=USERS, other=USERS)
    def assign(self, user: str, other: str) -> None:
        may = self.status != "closed" and self.worker != other
        if self.send("assign", user, may, assignee=other):
            self.worker = other
            self.status = "waiting" if self.status == "waiting" else "assigned"

    @rule(user=USERS)
    def claim(self, user: str) -> None:
        may = self.worker is None or (self.worker == user and self.status == "assigned")
        if self.send("claim", user, may and self.status != "closed"):
            self.status, self.worker = "in_review", user

    @rule(user=USERS)
    def start(self, user: str) -> None:
        if self.send("start", user, self.status == "assigned" and self.worker == user):
            self.status = "in_review"

    @rule(user=USERS)
    def wait(self, user: str) -> None:
        if self.send("wait", user, self.status == "in_review" and self.worker == user, waiting_for="customer"):
            self.status = "waiting"

    @rule(user=USERS)
    def ask(self, user: str) -> None:
        may = self.status == "in_review" and self.worker == user and self.notice == "" and self.notices < NOTICES_MAX
        notice_id = f"{self.count:032x}"
        event_id = self.case.alerts[0].event_id
        if self.send("ask", user, may, event_id=event_id, until=15_000, notice_id=notice_id):
            self.status, self.notice, self.notices = "waiting", notice_id, self.notices + 1

    @rule(reply=st.sampled_from(("me", "not_me")))
    def answer(self, reply: str) -> None:
        self.count += 1
        given = answer(reply, notice_id=self.notice or "f" * 32, answer_id=f"answer-{self.count}", answered_at=14_000)
        result = self.store.answer(given, 14_000)
        assert isinstance(result, AnsweredNotice if self.notice else RefusedAnswer), result
        if self.notice:
            self.version += 1
            self.end_notice()

    def end_notice(self) -> None:
        self.notice = ""
        if self.status == "waiting" and self.case.waiting_for is None:
            self.status = "in_review"

    @rule(user=USERS)
    def resume(self, user: str) -> None:
        if self.send("resume", user, self.status == "waiting" and self.worker == user):
            self.status = "in_review"

    @rule(user=USERS)
    def escalate(self, user: str) -> None:
        may = self.status not in ("closed", "escalated")
        if self.send("escalate", user, may, escalate_to="senior"):
            self.status, self.worker = "escalated", None

    @rule(user=USERS)
    def release(self, user: str) -> None:
        if self.send("release", user, self.status not in ("closed", "new")):
            self.status, self.worker = "new", None

    @rule(user=USERS)
    def snooze(self, user: str) -> None:
        may = self.status != "closed" and self.worker in (None, user)
        if self.send("snooze", user, may, until=10_000 + self.count):
            self.is_snoozed = True

    @rule(user=USERS)
    def wake(self, user: str) -> None:
        if self.send("wake", user, self.is_snoozed):
            self.is_snoozed = False

    @rule()
    def let_time_pass(self) -> None:
        while expiries := self.store.due(20_000):
            (expiry,) = expiries
            assert isinstance(self.store.act(expiry), Held)
            self.version += 1
            if expiry.timer == "snooze_end":
                assert self.is_snoozed
                self.is_snoozed = False
            else:
                assert (expiry.timer, self.notice != "") == ("notice_end", True)
                self.end_notice()
        assert not self.is_snoozed
        assert self.notice == ""

    @rule(user=USERS, tag=st.sampled_from(("mule", "vip")))
    def add_a_tag(self, user: str, tag: str) -> None:
        if self.send("tag", user, self.status != "closed" and tag not in self.tags, tag=tag):
            self.tags.append(tag)

    @rule(user=USERS, tag=st.sampled_from(("mule", "vip")))
    def remove_a_tag(self, user: str, tag: str) -> None:
        if self.send("untag", user, self.status != "closed" and tag in self.tags, tag=tag):
            self.tags.remove(tag)

    @rule(user=USERS, digit=st.sampled_from(("a", "b")))
    def attach(self, user: str, digit: str) -> None:
        may = self.status != "closed" and digit not in self.files
        if self.send("attach", user, may, file=description(digit)):
            self.files.append(digit)

    @rule(user=USERS, digit=st.sampled_from(("a", "b")))
    def detach(self, user: str, digit: str) -> None:
        if self.send("detach", user, self.status != "closed" and digit in self.files, sha256=digit * 64):
            self.files.remove(digit)

    @rule(user=USERS)
    def close(self, user: str) -> None:
        may = self.status != "closed" and self.worker in (None, user)
        if self.send("close", user, may, disposition="inconclusive"):
            self.status, self.is_snoozed, self.notice = "closed", False, ""

    @rule(user=USERS)
    def reopen(self, user: str) -> None:
        if self.send("reopen", user, self.status == "closed"):
            self.status, self.worker = "new", None

    @rule(user=USERS)
    def act_on_an_outdated_case(self, user: str) -> None:
        self.send("note", user, False, expected_version=self.version - 1)

    def send(self, name: str, user: str, is_allowed: bool, **fields: Any) -> bool:
        """Send the action; asserts that it is accepted if the model allows it, and refused otherwise."""
        self.count += 1
        given = action(name, self.case_id, user, f"action-{self.count}", note="n", **fields)
        before = self.case
        result = self.store.act(given)
        assert isinstance(result, Held if is_allowed else RejectedAction), result
        assert is_allowed or self.case == before
        self.version += is_allowed
        return is_allowed

    @property
    def case(self) -> Case:
        found = self.store.case(self.case_id)
        assert found is not None
        return found

    @invariant()
    def the_case_is_as_the_model_has_it(self) -> None:
        case = self.case
        assert (case.status, case.version) == (self.status, self.version)
        assert self.status == "closed" or case.assignee == self.worker
        assert case.tags == tuple(self.tags)
        assert [file.sha256[0] for file in case.files] == self.files
        assert (open_notice(case) is not None) == (self.notice != "")
        assert (case.snooze is not None) == self.is_snoozed
        assert (case.waiting_for is None) == (case.status != "waiting")
        assert (case.disposition is None) == (case.status != "closed")
        assert self.store.open_cases == (self.status != "closed")
        assert sum(self.store.service_levels.values()) == self.store.open_cases


LifeOfACase.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLifeOfACase = LifeOfACase.TestCase
