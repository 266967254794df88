"""Partners and channels, models, and firings of rules, on a real history store."""

from __future__ import annotations

import asyncio
import html
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fraudstream.console.overview import figures_desk
from fraudstream.console.overview.score_figures import BOUNDS
from fraudstream.console.past import PastDesk
from fraudstream.history.figures import FigureReader
from fraudstream.history.reader import HistoryReader
from fraudstream.operations.errors import OperationError
from fraudstream.telemetry import score_bins
from tests.unit.console.console_app import ConsoleUnderTest
from tests.unit.console.hostile_text import HOSTILE, assert_harmless
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import DAY, T0, decision, label, payment

ALERT = "f" * 32
READING = "The history is being read. The figures appear by themselves."
SCORED = {
    "score.yaml": "threshold: 0.6\nparts:\n  - {part: busy, value: account.payments_1d, weight: 1.0, from: 1, to: 9}\n"
}


@pytest.fixture
async def store(console: ConsoleUnderTest, tmp_path: Path) -> AsyncIterator[Path]:
    """A directory whose history the console shows."""
    reader = HistoryReader(tmp_path)
    desk = PastDesk(reader)
    console.use_past(desk)
    yield tmp_path
    await desk.close()
    reader.close()


@pytest.fixture
async def lead(console: ConsoleUnderTest) -> httpx.AsyncClient:
    return await console.logged_in("ann", "senior")


async def page_of(client: httpx.AsyncClient, path: str) -> str:
    """The page once its answer is there."""
    for _ in range(100):
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        if READING not in answer.text:
            return answer.text
        await asyncio.sleep(0.1)
    raise AssertionError(answer.text)


def lines(page: str, heading: str) -> dict[str, list[str]]:
    """The cells of the section's last table by the text of the row's head, without plots."""
    section = page.split(f'id="{heading}"')[1].split("</section>")[0]
    found = re.findall(r'<tr>(?:<td>[^<]*</td>)?<th scope="row"[^>]*>(.*?)</th>(.*?)</tr>', section, re.S)
    plain = [(text(head), re.sub("<svg.*?</svg>", "", cells, flags=re.S)) for head, cells in found]
    return {head: [text(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells, re.S)] for head, cells in plain}


def text(markup: str) -> str:
    return html.unescape(" ".join(re.sub("<[^>]*>", "", markup).split()))


def some_history(root: Path, **hostile: Any) -> None:
    """Two days: 6 payments, 3 of them with an alert, 2 of these fraud and one genuine; one fraud without an alert."""
    at: dict[str, Any] = {"at_ms": T0 + DAY}
    fill(
        root,
        [
            payment(0, amount="1.00", channel="app"),
            payment(1, amount="2.00", channel="partner", partner_id="wallet-9"),
            payment(2, amount="4.00", channel="partner", partner_id="wallet-9", **at),
            payment(3, amount="8.00", currency="USD", **at),
            payment(4, amount="16.00", channel="app", **at),
            payment(5, amount="32.00", channel="app", **at, **hostile),
            label(7, "p-1", source="case"),
            label(8, "p-2", label="genuine", source="case", payment_occurred_at=T0 + DAY),
            label(9, "p-4", source="chargeback", payment_occurred_at=T0 + DAY),
            label(10, "p-5", source="case", payment_occurred_at=T0 + DAY),
        ],
        [
            decision(0, "p-0", score=0.01),
            decision(1, "p-1", score=0.9, rules=["takeover/new_device"], alert_id=ALERT, shadow_scores={"trees": 0.4}),
            decision(2, "p-2", score=0.7, rules=["takeover/new_device"], alert_id=ALERT, **at),
            decision(3, "p-3", score=0.02, **at),
            decision(4, "p-4", score=0.6, alert_id=ALERT, **at),
            decision(5, "p-5", score=0.3, shadow_rules=["takeover/busy"], **at),
        ],
    )


async def test_channels_and_partners_with_their_risk(store: Path, lead: httpx.AsyncClient) -> None:
    some_history(store)
    page = await page_of(lead, "/partners?days=7")
    channels = lines(page, "channels")
    assert list(channels) == ["partner", "app", "no channel named"]  # most alerts first
    assert channels["partner"] == [
        *("2", "2", "100.00 %", "1", "50.000 %", "50 %", "100 %"),
        *("", "6.00 EUR", "6.00 EUR", "2.00 EUR"),
    ]
    assert channels["app"] == [
        *("3", "1", "33.33 %", "2", "66.667 %", "100 %", "50 %"),
        *("", "49.00 EUR", "16.00 EUR", "48.00 EUR"),
    ]
    assert channels["no channel named"][:7] == ["1", "0", "0.00 %", "0", "0.000 %", "–", "–"]
    assert lines(page, "partners_alone") == {"wallet-9": channels["partner"]}
    assert lines(page, "total-title")["Precision"] == ["67 %"]
    assert lines(page, "daily-title") == {"2026-03-05": ["4", "2", "2"], "2026-03-04": ["2", "1", "1"]}
    assert 'href="/?status=all&amp;partner=wallet-9"' in page
    assert "By day: alerts 0, 0, 0, 0, 0, 1, 1; fraud 0, 0, 0, 0, 0, 1, 0" in page  # the plot in words


async def test_scores_their_drift_and_their_agreement_with_labels(
    console: ConsoleUnderTest, store: Path, lead: httpx.AsyncClient
) -> None:
    console.rule_files |= SCORED
    some_history(store)
    fill(store, [payment(20, at_ms=T0 - 20 * DAY)], [decision(20, "p-20", at_ms=T0 - 20 * DAY, score=0.01)])
    page = await page_of(lead, "/models?days=7")
    assert lines(page, "force-title") == {"the score of the rules": ["–", "0.6000"]}
    scores = lines(page, "all-title")
    assert scores["the score that decides"][:2] == ["6", "3 (50.00 %)"]  # 0.6 reaches the threshold of 0.6
    assert scores["trees"] == ["1", "–", "–", "no payments before"]
    assert lines(page, "sets-title") == {"9a55d30f6c1b7e02": ["6", "3"]}
    assert lines(page, "brier-1") == {
        "case": ["3", "2", f"{(0.1**2 + 0.7**2 + 0.7**2) / 3:.4f}", f"{2 / 9:.4f}"],
        "chargeback": ["1", "1", "0.1600", "0.0000"],
    }
    assert lines(page, "weeks-title")["2026-03-02"] == ["3", "2", "1", "67 %"]
    assert "no payments before" in page


async def test_drift_is_measured_against_the_period_before(store: Path, lead: httpx.AsyncClient) -> None:
    events = [payment(number, at_ms=T0 + number % 14 * DAY) for number in range(280)]
    scores = {number: 0.01 if number % 14 < 7 else 0.3 for number in range(280)}
    decisions = [decision(n, f"p-{n}", at_ms=T0 + n % 14 * DAY, score=score) for n, score in scores.items()]
    fill(store, events, decisions)
    page = await page_of(lead, "/models?days=7")
    *_, index, verdict = lines(page, "all-title")["the score that decides"]
    assert (float(index) > 5, verdict) == (True, "moved")
    drift = lines(page, "drift-1")
    assert len(drift) == 7
    assert all(float(value) > 3 for (value,) in drift.values())


async def test_rules_that_cannot_be_read_leave_the_figures(
    console: ConsoleUnderTest, store: Path, lead: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(store)

    async def fails(*_: object, **__: object) -> None:
        raise OperationError("Kafka does not answer.")

    monkeypatch.setattr(console.app.state.console.rules, "in_force", fails)
    page = await page_of(lead, "/models?days=7")
    assert "The rules in force cannot be read: Kafka does not answer." in text(page)
    assert lines(page, "all-title")["the score that decides"][0] == "6"


@pytest.mark.parametrize("path", ["/partners", "/models"])
async def test_without_a_store_a_page_says_so(lead: httpx.AsyncClient, path: str) -> None:
    assert "has no history store" in await page_of(lead, path)


@pytest.mark.parametrize("path", ["/partners", "/models"])
async def test_an_empty_store_has_empty_figures(store: Path, lead: httpx.AsyncClient, path: str) -> None:
    page = await page_of(lead, path)
    assert "There are no payments in this time." in page or "There are no decisions in this time." in page


async def test_texts_of_payments_are_shown_as_texts(store: Path, lead: httpx.AsyncClient) -> None:
    hostile = HOSTILE.replace("\x07", "")[:128]
    some_history(store, partner_id=hostile)
    page = await page_of(lead, "/partners")
    assert_harmless(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_a_page_does_not_wait_for_a_slow_store_and_is_told_later(
    console: ConsoleUnderTest, store: Path, lead: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(store)
    monkeypatch.setattr(figures_desk, "WAIT_S_MAX", 0.01)
    slow = FigureReader.sources

    def sources(self: FigureReader, day: int, *, limit_s: float) -> Any:
        time.sleep(0.05)
        return slow(self, day, limit_s=limit_s)

    monkeypatch.setattr(FigureReader, "sources", sources)
    told = list[str]()
    monkeypatch.setattr(console.live, "on_page", told.append)
    assert READING in (await lead.get("/partners?days=7")).text
    assert "wallet-9" in await page_of(lead, "/partners?days=7")
    for _ in range(100):
        if told:
            break
        await asyncio.sleep(0.05)
    assert set(told) == {"partners"}


async def test_a_day_is_asked_again_only_if_its_files_change(
    console: ConsoleUnderTest, store: Path, lead: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(store)
    asked, plain = list[int](), FigureReader.sources

    def sources(self: FigureReader, day: int, *, limit_s: float) -> Any:
        asked.append(day)
        return plain(self, day, limit_s=limit_s)

    monkeypatch.setattr(FigureReader, "sources", sources)
    monkeypatch.setattr("fraudstream.console.past.KEPT_S", 0.0)
    await page_of(lead, "/partners?days=7")
    assert len(asked) == 7
    fill(store, [payment(30, at_ms=T0 + DAY, channel="atm"), label(31, "p-0")])
    page = await page_of(lead, "/partners?days=7")
    assert asked[7:] == [(T0 + DAY) // DAY]
    assert "atm" in lines(page, "channels")


async def test_firings_of_rules_are_counted_by_day_shadow_rules_too(store: Path, lead: httpx.AsyncClient) -> None:
    some_history(store)
    page = text((await page_of(lead, "/rules?days=7")).replace("<td", " <td"))
    assert "takeover/new_device live high New device 0 0 0 – 2 50 %" in page
    assert "takeover/busy shadow low Busy account – – – – 1 100 %" in page
    of_rule = await page_of(lead, "/rules/takeover/new_device?days=7")
    assert lines(of_rule, "firings-title") == {
        "Payments on which it fired": ["2"],
        "Fraud": ["1"],
        "Genuine": ["1"],
        "Fraud of those labelled": ["50 %"],
        "2026-03-05": ["1"],
        "2026-03-04": ["1"],
    }
    assert "2026-03-05: 1 payments" in of_rule  # of the plot


async def test_a_day_beyond_the_period_does_not_count(store: Path, lead: httpx.AsyncClient) -> None:
    some_history(store)
    fill(store, [payment(40, at_ms=T0 + 8 * DAY)])
    page = text((await page_of(lead, "/rules?days=7")).replace("<td", " <td"))
    assert "New device 0 0 0 – 0 –" in page
    assert "New device 0 0 0 – 2 50 %" in text((await page_of(lead, "/rules?days=30")).replace("<td", " <td"))


async def test_views_are_in_the_audit_log(console: ConsoleUnderTest, lead: httpx.AsyncClient) -> None:
    await page_of(lead, "/partners")
    await page_of(lead, "/models")
    assert [each[3] for each in console.audit.of("view")] == ["path:/partners", "path:/models"]


def test_the_bins_are_those_of_the_metrics() -> None:
    assert BOUNDS == score_bins.BOUNDS
