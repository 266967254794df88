"""Pages of accounts, devices and so on, on a real store; and what a case page shows of its account."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fraudstream.console import past as past_module
from fraudstream.console.access.references import References
from fraudstream.console.access.roles import Role
from fraudstream.console.past import CASE_ACCOUNTS_MAX, RECENT_MAX, ROWS_MAX, PastDesk
from fraudstream.console.web.entity_address import EntityAddresses
from fraudstream.history.answers import PastPayment
from fraudstream.history.database import HistoryTimeoutError
from fraudstream.history.reader import HistoryReader
from tests.unit.console.console_app import SECRET, ConsoleUnderTest, case
from tests.unit.console.hostile_text import HOSTILE, assert_harmless
from tests.unit.history.filled_store import fill
from tests.unit.history.log_records import DAY, T0, decision, label, payment

CASE = "c" * 32
ALERT = "f" * 32


@pytest.fixture
async def store(console: ConsoleUnderTest, tmp_path: Path) -> AsyncIterator[Path]:
    """A directory whose history the console shows."""
    reader = HistoryReader(tmp_path)
    desk = PastDesk(reader)
    console.use_past(desk)
    yield tmp_path
    await desk.close()
    reader.close()


def path_to(kind: str, value: str) -> str:
    return EntityAddresses(References(SECRET)).href(kind, value)


async def page_of(console: ConsoleUnderTest, path: str) -> str:
    client = await console.logged_in("ann", "senior")
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def some_history(root: Path) -> None:
    fill(
        root,
        [
            payment(0, "acc-1", device_id="dev/1", channel="app", balance_after="-3.5", lat=52.5, lon=13.4),
            payment(1, "acc-1", at_ms=T0 + DAY, amount="99", merchant_id="m-1", terminal_id="t-1", ip="10.0.0.9"),
            payment(2, "acc-2", device_id="dev/1", counterparty_id="cp-1"),
            label(3, "p-0", "acc-1", payment_occurred_at=T0),
        ],
        [decision(0, "p-0", "acc-1", outcome="review", score=0.61, rules=["a/b"], alert_id=ALERT)],
    )


async def test_an_account_page_has_its_payments_decisions_links_and_cases(
    console: ConsoleUnderTest, store: Path
) -> None:
    some_history(store)
    await console.put(case(CASE))
    page = await page_of(console, path_to("account", "acc-1"))
    assert "<bdi>2</bdi> payments" in page
    assert "111.50" in page  # both debits
    assert "-3.50" in page
    assert '<th scope="col" title="balance_after">Balance after</th>' in page
    assert '<span class="muted" title="merchant_id">Merchant</span> 1' in page
    assert f"fraudstream explain {ALERT}" in page
    assert "fraudstream explain --event <bdi>p-1</bdi> --account <bdi>acc-1</bdi>" in page
    assert f'href="/cases/{CASE}"' in page
    assert f'href="{path_to("device", "dev/1")}"' in page
    assert f'href="{path_to("account", "acc-2")}"' in page  # in the drawing of linked accounts
    assert page.count('class="alert"') == 2  # in the timeline and on the map
    assert "<bdi>a/b</bdi>" in page


@pytest.mark.parametrize(
    ("kind", "value", "accounts"),
    [
        ("device", "dev/1", ["acc-1", "acc-2"]),
        ("counterparty", "cp-1", ["acc-2"]),
        ("merchant", "m-1", ["acc-1"]),
        ("terminal", "t-1", ["acc-1"]),
        ("ip", "10.0.0.9", ["acc-1"]),
    ],
)
async def test_a_page_of_what_accounts_use_names_the_accounts(
    console: ConsoleUnderTest, store: Path, kind: str, value: str, accounts: list[str]
) -> None:
    some_history(store)
    page = await page_of(console, path_to(kind, value))
    used_by = page.split('id="accounts-title"')[1].split("</section>")[0]
    hrefs = sorted(path_to("account", account_id) for account_id in accounts)
    assert sorted(re.findall(r'"(/history/account/[^"]+)"', used_by)) == hrefs
    payments = page.split('id="payments-title"')[1]
    assert sorted(set(re.findall(r'"(/history/account/[^"]+)"', payments))) == hrefs


async def test_payments_are_paged_without_a_gap(console: ConsoleUnderTest, store: Path) -> None:
    count = ROWS_MAX + 10
    fill(store, [payment(n, "acc-1", at_ms=T0 + n * 1_000) for n in range(count)])
    client = await console.logged_in("ann", "senior")
    seen, path = [], path_to("account", "acc-1")
    while True:
        page = (await client.get(path)).text
        seen += re.findall(r"<code><bdi>(p-\d+)</bdi></code>", page)
        following = re.search(r'href="([^"]+)" data-key="n"', page)
        if following is None:
            break
        path = following[1].replace("&amp;", "&")
    assert seen == [f"p-{n}" for n in reversed(range(count))]


async def test_texts_of_payments_are_shown_as_texts(console: ConsoleUnderTest, store: Path) -> None:
    hostile = HOSTILE.replace("\x07", "")[:128]  # control characters are refused by the contract
    names = ("merchant_id", "terminal_id", "counterparty_id", "device_id", "ip", "partner_id", "counterparty_bank")
    fields: dict[str, Any] = {name: hostile[:35] if name == "counterparty_bank" else hostile for name in names}
    fill(
        store,
        [
            payment(0, hostile, event_id=hostile, attributes={"note": hostile}, **fields),
            payment(1, "acc-2", device_id=hostile),
        ],
        [decision(0, hostile, hostile, rules=[hostile], alert_id=ALERT)],
    )
    await console.put(case(CASE, hostile))
    client = await console.logged_in("ann", "senior")
    for path in (path_to("account", hostile), path_to("device", hostile)):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert_harmless(answer.text)
    assert_harmless((await client.get(f"/cases/{CASE}")).text)


async def test_a_case_page_has_the_timeline_and_the_network_of_its_account(
    console: ConsoleUnderTest, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_module, "CASE_S_MAX", 30.0)
    some_history(store)
    await console.put(case(CASE))
    page = await page_of(console, f"/cases/{CASE}")
    assert 'class="timeline"' in page
    assert 'class="network"' in page
    assert 'class="map"' in page
    assert f'href="{path_to("account", "acc-1")}"' in page


async def test_the_page_of_a_case_that_others_were_merged_into_shows_their_accounts_too(
    console: ConsoleUnderTest, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_module, "CASE_S_MAX", 30.0)
    fill(
        store,
        [
            payment(0, "acc-1001", device_id="dev-1"),
            payment(1, "acc-2002", ip="10.0.0.9", lat=52.5, lon=13.4),
            payment(2, "acc-3003", ip="10.0.0.9"),
        ],
        [decision(0, "p-1", "acc-2002", outcome="review", score=0.61, rules=["a/b"], alert_id=ALERT)],
    )
    await console.put(case(CASE, "acc-1001", other_accounts=("acc-2002",)))
    page = await page_of(console, f"/cases/{CASE}")
    past = page.split('id="past"')[1].split('id="payments"')[0]
    assert f'href="{path_to("account", "acc-2002")}"' in past
    assert 'class="ticks account-1"' in past  # a lane
    assert 'class="alert account-1"' in past
    assert past.count("<title>acc-2002 · ") == 2  # the alert, in the timeline and on the map
    assert f'href="{path_to("account", "acc-3003")}"' in past  # linked to the other account alone
    viewer = await console.logged_in("vi", "viewer")
    masked = (await viewer.get(f"/cases/{CASE}")).text
    assert "2 payments" in masked
    assert not {name for name in ("acc-1001", "acc-2002", "acc-3003") if name in masked}


async def test_a_case_of_many_accounts_shows_the_first_of_them(
    console: ConsoleUnderTest, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_module, "CASE_S_MAX", 30.0)
    accounts = tuple(f"acc-{number}" for number in range(CASE_ACCOUNTS_MAX + 3))
    fill(store, [payment(n, account_id) for n, account_id in enumerate(accounts)])
    await console.put(case(CASE, accounts[0], other_accounts=accounts[1:]))
    page = await page_of(console, f"/cases/{CASE}")
    assert f"the first <bdi>{CASE_ACCOUNTS_MAX}</bdi> of <bdi>{len(accounts)}</bdi> accounts" in page
    assert page.count('class="ticks account-') == CASE_ACCOUNTS_MAX


async def test_a_console_without_a_store_says_so(console: ConsoleUnderTest) -> None:
    await console.put(case(CASE))
    client = await console.logged_in("ann", "senior")
    for path in (path_to("account", "acc-1"), f"/cases/{CASE}"):
        assert "This console has no history store" in (await client.get(path)).text


@pytest.mark.parametrize(
    "path",
    [
        path_to("planet", "x"),
        "/history/account/acc-1",  # identifiers are in no address
        "/history/account/",
        path_to("account", "x" * 129),
        path_to("device", "acc-1").replace("device", "account"),
        EntityAddresses(References(b"another secret")).href("account", "acc-1"),
        path_to("account", "acc-1") + "A",
        "/history/account/" + "A" * 5_000,
        "/history/account/%F0%9F%98%80",
    ],
)
async def test_there_is_no_page_of_anything_else(console: ConsoleUnderTest, path: str) -> None:
    client = await console.logged_in("ann", "senior")
    assert (await client.get(path)).status_code == 404


class SlowHistory(HistoryReader):
    """A store whose first question fails, or takes its time."""

    fails = False

    def payments(self, *args: Any, **limits: Any) -> list[PastPayment]:
        if self.fails:
            raise HistoryTimeoutError("the history has not answered within 1 s.")
        time.sleep(0.2)
        return super().payments(*args, **limits)


async def test_a_case_page_does_not_wait_for_a_slow_store_and_is_told_when_it_has_answered(
    console: ConsoleUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_module, "CASE_S_MAX", 0.01)
    some_history(tmp_path)
    desk = PastDesk(SlowHistory(tmp_path))
    console.use_past(desk)
    await console.put(case(CASE))
    client = await console.logged_in("ann", "senior")
    before = console.live.sequence
    assert "The history is being read" in (await client.get(f"/cases/{CASE}")).text
    (read,) = desk._reads.values()
    await read
    assert 'class="timeline"' in (await client.get(f"/cases/{CASE}")).text
    assert console.live.sequence > before
    await desk.close()


async def test_a_store_that_fails_leaves_the_case_page_whole(console: ConsoleUnderTest, tmp_path: Path) -> None:
    history = SlowHistory(tmp_path)
    history.fails = True
    console.use_past(PastDesk(history))
    await console.put(case(CASE))
    page = await page_of(console, f"/cases/{CASE}")
    assert "The history cannot be read" in page
    assert 'id="payments"' in page


async def test_a_timeline_is_of_the_newest_payments_and_totals_are_of_all(
    console: ConsoleUnderTest, store: Path
) -> None:
    count = RECENT_MAX + 5
    fill(store, [payment(n, "acc-1", at_ms=T0 + n * 1_000, amount="1") for n in range(count)])
    page = await page_of(console, path_to("account", "acc-1"))
    assert f"the newest <bdi>{RECENT_MAX}</bdi>" in page
    assert f"<bdi>{count}</bdi> debits of <bdi>{count:,}.00</bdi> <bdi>EUR</bdi>" in page


@pytest.mark.parametrize("role", ["analyst", "viewer"])
async def test_who_sees_masked_identifiers_follows_links_from_a_case_without_meeting_one(
    console: ConsoleUnderTest, store: Path, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    monkeypatch.setattr(past_module, "CASE_S_MAX", 30.0)
    personal = ("DE02120300000000202051", "device-of-ann-17", "198.51.100.77", "counterparty-4711", "FR7630006000011")
    account, device, ip, counterparty, other = personal
    fill(
        store,
        [
            payment(
                0,
                account,
                device_id=device,
                ip=ip,
                counterparty_id=counterparty,
                merchant_id="shop-9",
                channel="app",
                attributes={"holder": "Ann Example", "phone": 491701234567, "kind": 3},
            ),
            payment(1, other, device_id=device, ip=ip, counterparty_id=counterparty, merchant_id="shop-9"),
        ],
        [decision(0, "p-0", account, outcome="review", score=0.61, rules=["a/b"], alert_id=ALERT)],
    )
    await console.put(case(CASE, account))
    client = await console.logged_in("ann", role)
    to_see, seen, texts = [f"/cases/{CASE}", "/"], set[str](), []
    while to_see:
        path = to_see.pop()
        seen.add(path)
        answer = await client.get(path)
        assert answer.status_code == 200
        texts.append(answer.text)
        to_see += set(re.findall(r'"(/history/[^"]+)"', answer.text)) - seen - set(to_see)
    kinds = sorted(path.split("/")[2] for path in seen if path.startswith("/history/"))
    assert kinds == ["account", "account", "counterparty", "device", "ip", "merchant"]
    everything = "\n".join((*texts, *seen))
    for secret in (*personal, "Ann Example", "491701234567"):
        assert secret not in everything
    assert "shop-9" in everything
    assert "••••2051" in everything
    log = "\n".join(f"{event.object} {event.detail}" for event in console.audit.events)
    assert not [secret for secret in personal if secret in log]
    assert f"account:{References(SECRET).pseudonym('account', account)}" in log


async def test_what_was_searched_for_is_in_the_audit_log_as_a_pseudonym_if_it_may_be_an_id(
    console: ConsoleUnderTest,
) -> None:
    client = await console.logged_in("ann", "senior")
    await client.get("/?text=acc-1+mule")
    pseudonym = References(SECRET).pseudonym("account", "acc-1")
    assert console.audit.of("search") == [("ann", "search", "done", "path:/", f"{pseudonym} mule")]
