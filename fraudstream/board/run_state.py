"""All that a board shows about a run: counts, the newest alerts and cases, the processes, how right it is.

Told by `cli.up`, read by `screen` and `lines`. Nothing here waits, reads or writes. Every collection has a bound,
except those that hold an id for each fraud and each case.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from fraudstream.contracts import Alert, Case

ALERTS_KEPT: Final = 100
CASES_KEPT: Final = 100
NEWS_MAX: Final = 2_000
SPAN_S: Final = 10.0  # what "a second" and the latencies are taken over
SAMPLES_MAX: Final = 20_000


class Judged(NamedTuple):
    """An alert, and what its payment truly is: the typology of a fraud, '' genuine, None not known."""

    alert: Alert
    truth: str | None

    @property
    def is_right(self) -> bool | None:
        return None if self.truth is None else bool(self.truth)


class Process(msgspec.Struct):
    """One of our processes, as last heard of. `status`: 'starting', 'ready', 'restarting', 'stopped'."""

    name: str
    status: str = "starting"
    detail: str = ""
    metrics_url: str = ""


class Totals(msgspec.Struct, frozen=True):
    """What a run came to."""

    payments: int
    decisions: int
    dead_letters: int
    alerts: int
    cases: int
    open_cases: int
    frauds: int
    frauds_found: int
    precision: float | None
    seconds: float


class Latency(NamedTuple):
    p50_ms: float
    p99_ms: float


class RunState:
    """`places`: what is where, by name. `phase`: what the run is doing, in a few words."""

    def __init__(self) -> None:
        self.phase = "starting"
        self.places: dict[str, str] = {}
        self.processes: list[Process] = []
        self.notice = ""
        self.news: deque[Judged | str] = deque(maxlen=NEWS_MAX)  # alerts and notices, for those who print them once
        self.alerts: deque[Judged] = deque(maxlen=ALERTS_KEPT)
        self.cases: dict[str, Case] = {}  # the newest of each, in order of their last change
        self.payments = self.decisions = self.dead_letters = self.alerts_seen = 0
        self.alerts_in_cases = 0
        self._open: set[str] = set()
        self._alerts_of: dict[str, int] = {}
        self._truth: dict[str, tuple[str, str]] = {}  # event_id of each fraud: (account_id, typology)
        self._truth_known = False
        self._frauds: set[tuple[str, str]] = set()
        self._found: set[tuple[str, str]] = set()
        self._right = self._judged = 0
        self._started = time.monotonic()
        self._rate: deque[tuple[float, int]] = deque([(self._started, 0)], maxlen=SAMPLES_MAX)
        self._latency: deque[tuple[float, float]] = deque(maxlen=SAMPLES_MAX)

    def tell(self, sentence: str) -> None:
        """Something that whoever watches should know."""
        self.notice = sentence
        self.news.append(sentence)

    def on_truth(self, frauds: Iterable[tuple[str, str, str]]) -> None:
        """The frauds among the payments to come: (event_id, account_id, typology). All others are genuine."""
        self._truth_known = True
        for event_id, account_id, typology in frauds:
            self._truth[event_id] = (account_id, typology)

    def on_published(self, event_ids: Iterable[str], count: int) -> None:
        self.payments += count
        if self._truth:
            self._frauds.update(self._truth[event_id] for event_id in event_ids if event_id in self._truth)

    def on_decided(self, count: int, latencies_ms: Iterable[float]) -> None:
        """`count` decisions more; `latencies_ms`: from publication to decision, of those where it says something."""
        now = time.monotonic()
        self.decisions += count
        self._rate.append((now, self.decisions))
        self._latency.extend((now, latency_ms) for latency_ms in latencies_ms)

    def on_alert(self, alert: Alert) -> None:
        fraud = self._truth.get(alert.event_id)
        truth = None if not self._truth_known else fraud[1] if fraud else ""
        judged = Judged(alert, truth)
        self.alerts_seen += 1
        if truth is not None:
            self._judged += 1
            self._right += bool(truth)
        if fraud:
            self._found.add(fraud)
        self.alerts.append(judged)
        self.news.append(judged)

    def on_case(self, case: Case) -> None:
        self.alerts_in_cases += case.alert_count - self._alerts_of.get(case.case_id, 0)
        self._alerts_of[case.case_id] = case.alert_count
        self.cases.pop(case.case_id, None)
        self.cases[case.case_id] = case
        if case.status == "closed":
            self._open.discard(case.case_id)
        else:
            self._open.add(case.case_id)
        while len(self.cases) > CASES_KEPT:
            del self.cases[next(iter(self.cases))]

    @property
    def cases_seen(self) -> int:
        return len(self._alerts_of)

    @property
    def open_cases(self) -> int:
        return len(self._open)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._started

    def rate(self) -> float:
        """Decisions a second, over the last seconds."""
        now = time.monotonic()
        while len(self._rate) > 1 and self._rate[1][0] < now - SPAN_S:
            self._rate.popleft()
        at, count = self._rate[0]
        return (self.decisions - count) / max(min(now - at, SPAN_S), 0.5)

    def latency(self) -> Latency | None:
        """Median and 99th percentile over the last seconds, or None if there was nothing to measure."""
        horizon = time.monotonic() - SPAN_S
        while self._latency and self._latency[0][0] < horizon:
            self._latency.popleft()
        values = sorted(value for _, value in self._latency)
        if not values:
            return None
        return Latency(values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)])

    def precision(self) -> float | None:
        """Share of the alerts whose payment truly is fraud."""
        return self._right / self._judged if self._judged else None

    @property
    def frauds(self) -> int:
        """Frauds begun so far: an account and what was done to it."""
        return len(self._frauds)

    @property
    def frauds_found(self) -> int:
        """Those of them with an alert on one of their payments at least."""
        return len(self._found)

    def totals(self) -> Totals:
        precision = self.precision()
        return Totals(
            payments=self.payments,
            decisions=self.decisions,
            dead_letters=self.dead_letters,
            alerts=self.alerts_seen,
            cases=self.cases_seen,
            open_cases=self.open_cases,
            frauds=self.frauds,
            frauds_found=self.frauds_found,
            precision=None if precision is None else round(precision, 4),
            seconds=round(self.seconds, 1),
        )
