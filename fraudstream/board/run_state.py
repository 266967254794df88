"""What a board shows of a run: counts, the newest alerts and cases, the processes, and the precision of the alerts.

Updated by `cli.up`, read by `screen` and `lines`. Nothing here does I/O. Every collection is limited, except those with
an id for each fraud and each case.
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
SPAN_S: Final = 10.0  # over which the rate and the latencies are measured
SAMPLES_MAX: Final = 20_000


class JudgedAlert(NamedTuple):
    """An alert and what its payment is: the typology of a fraud, '' if genuine, None if not known."""

    alert: Alert
    truth: str | None

    @property
    def is_right(self) -> bool | None:
        """Whether the payment is fraud; None if not known."""
        return None if self.truth is None else bool(self.truth)


class Process(msgspec.Struct):
    """The last known status of a child process. `status`: 'starting', 'ready', 'restarting' or 'stopped'; `detail`:
    more about it; `metrics_url`: base URL of its HTTP port, empty if not known."""

    name: str
    status: str = "starting"
    detail: str = ""
    metrics_url: str = ""


class Totals(msgspec.Struct, frozen=True):
    """The totals of a run. `precision`: share of alerts on frauds, None if not known; `seconds`: how long it took."""

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
    """Median and 99th percentile from publication to decision, in ms."""

    p50_ms: float
    p99_ms: float


class RunState:
    """The state of a run. `endpoints`: addresses by name. `phase`: what the run is doing, in a few words. `notice`: the
    newest notice. `news`: alerts and notices that have not been printed yet."""

    def __init__(self) -> None:
        self.phase = "starting"
        self.endpoints: dict[str, str] = {}
        self.processes: list[Process] = []
        self.notice = ""
        self.news: deque[JudgedAlert | str] = deque(maxlen=NEWS_MAX)  # for displays that print each once
        self.alerts: deque[JudgedAlert] = deque(maxlen=ALERTS_KEPT)
        self.cases: dict[str, Case] = {}  # newest version of each, in order of the last change
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

    def notify(self, sentence: str) -> None:
        """Add a notice for the user."""
        self.notice = sentence
        self.news.append(sentence)

    def on_truth(self, frauds: Iterable[tuple[str, str, str]]) -> None:
        """The frauds among payments that are published later: (event_id, account_id, typology). All others are
        genuine."""
        self._truth_known = True
        for event_id, account_id, typology in frauds:
            self._truth[event_id] = (account_id, typology)

    def on_published(self, event_ids: Iterable[str], count: int) -> None:
        """`count` payments, with these ids, are published."""
        self.payments += count
        if self._truth:
            self._frauds.update(self._truth[event_id] for event_id in event_ids if event_id in self._truth)

    def on_decided(self, count: int, latencies_ms: Iterable[float]) -> None:
        """`count` more decisions. `latencies_ms`: from publication to decision, of those that are timed."""
        now = time.monotonic()
        self.decisions += count
        self._rate.append((now, self.decisions))
        self._latency.extend((now, latency_ms) for latency_ms in latencies_ms)

    def on_alert(self, alert: Alert) -> None:
        """A new alert."""
        fraud = self._truth.get(alert.event_id)
        truth = None if not self._truth_known else fraud[1] if fraud else ""
        judged = JudgedAlert(alert, truth)
        self.alerts_seen += 1
        if truth is not None:
            self._judged += 1
            self._right += bool(truth)
        if fraud:
            self._found.add(fraud)
        self.alerts.append(judged)
        self.news.append(judged)

    def on_case_removed(self, case_id: str) -> None:
        """A case has left: it was erased, or its time was up."""
        self.cases.pop(case_id, None)
        self._open.discard(case_id)

    def on_case(self, case: Case) -> None:
        """A new version of a case."""
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
        """Number of cases."""
        return len(self._alerts_of)

    @property
    def open_cases(self) -> int:
        """Number of cases that are not closed."""
        return len(self._open)

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def rate(self) -> float:
        """Decisions a second, over the last `SPAN_S`."""
        now = time.monotonic()
        while len(self._rate) > 1 and self._rate[1][0] < now - SPAN_S:
            self._rate.popleft()
        at, count = self._rate[0]
        return (self.decisions - count) / max(min(now - at, SPAN_S), 0.5)

    def latency(self) -> Latency | None:
        """Latency over the last `SPAN_S`; None if nothing was measured."""
        horizon = time.monotonic() - SPAN_S
        while self._latency and self._latency[0][0] < horizon:
            self._latency.popleft()
        values = sorted(value for _, value in self._latency)
        if not values:
            return None
        return Latency(values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)])

    def precision(self) -> float | None:
        """Share of the alerts whose payment is fraud; None if not known."""
        return self._right / self._judged if self._judged else None

    @property
    def frauds(self) -> int:
        """Number of frauds begun so far: pairs of an account and a typology."""
        return len(self._frauds)

    @property
    def frauds_found(self) -> int:
        """Number of those with an alert on at least one of their payments."""
        return len(self._found)

    def totals(self) -> Totals:
        """The totals so far."""
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
