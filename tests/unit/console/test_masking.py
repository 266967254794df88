"""No page shows an identifier of a person to those who may not see it, wherever the identifier stands."""

from __future__ import annotations

from typing import Final

import httpx
import pytest
from msgspec.structs import replace

from fraudstream.console.access.masking import DOTS, Masking, masked, masking_of
from fraudstream.console.access.roles import PERMISSIONS, ROLES, Role
from fraudstream.contracts import AuditEvent, CaseNote, Payment
from fraudstream.contracts.payment_identifiers import IDENTIFIERS
from tests.unit.console.case_alerts import CASE, put
from tests.unit.console.console_app import ConsoleUnderTest, case, post
from tests.unit.console.revealing_alert import CARD_NUMBER, SECRETS, revealing

# Fields that pages show: of the payment itself, of businesses and banks. A new field of a payment must be put here, or
# become an identifier.
SHOWN: Final = frozenset(
    (
        *(
            "event_id",
            "occurred_at",
            "amount",
            "currency",
            "direction",
            "schema_version",
            "kind",
            "channel",
            "partner_id",
        ),
        *("merchant_id", "mcc", "terminal_id", "counterparty_bank", "country", "lat", "lon", "card_present"),
        *("balance_before", "balance_after", "relates_to", "partner_id"),
    )
)


def test_every_field_of_a_payment_is_an_identifier_or_shown() -> None:
    fields = set(Payment.__struct_fields__)
    assert fields == SHOWN | IDENTIFIERS | {"attributes"}
    assert not SHOWN & IDENTIFIERS


async def put_secrets(console: ConsoleUnderTest, secret: str) -> None:
    note = CaseNote(1_772_625_600_000, "bob", "note", f"called about {secret}\nand {CARD_NUMBER}")
    await put(console, revealing(secret), account_id=SECRETS["account_id"], notes=(note,))


async def pages_of(client: httpx.AsyncClient) -> list[str]:
    """Every page and fragment that shows something of a case."""
    answers = [
        await client.get("/"),
        await client.get("/", params={"text": "e-1"}),
        await client.get(f"/cases/{CASE}"),
        await client.get(f"/cases/{CASE}?order=score", headers={"x-refresh": "1"}),
        await post(client, f"/cases/{CASE}/release"),  # refused: nobody has claimed it
        await client.get("/cases/" + "d" * 32),
        await client.get("/users"),
        await client.get("/audit"),
        await client.get("/audit/export"),
    ]
    assert answers[2].status_code == 200
    return [answer.text for answer in answers]


@pytest.mark.parametrize("field", SECRETS)
async def test_no_page_shows_an_identifier(console: ConsoleUnderTest, field: str) -> None:
    await put_secrets(console, SECRETS[field])
    console.audit.events.append(
        AuditEvent(7, "view", "done", "x", "bob", f"account:{SECRETS['account_id']}", request_id="r")
    )
    for role in ROLES:
        if "see_identifiers" in PERMISSIONS[role]:
            continue
        pages = await pages_of(await console.logged_in(f"user-{role}", role))
        for page in pages:
            assert not [secret for secret in (*SECRETS.values(), str(CARD_NUMBER)) if secret in page], role
        assert masked(SECRETS[field]) in pages[2]


async def test_who_may_see_identifiers_sees_them(console: ConsoleUnderTest) -> None:
    await put_secrets(console, SECRETS["device_id"])
    queue, _, page, *_ = await pages_of(await console.logged_in("ann", "senior"))
    assert SECRETS["account_id"] in queue
    assert all(secret in page for secret in SECRETS.values())


async def test_an_analyst_reveals_one_case_for_one_session_with_a_reason(console: ConsoleUnderTest) -> None:
    await put_secrets(console, SECRETS["ip"])
    client = await console.logged_in("ann", "analyst")
    page = (await client.get(f"/cases/{CASE}")).text
    assert 'action="/cases/' + CASE + '/unmask"' in page
    assert (await post(client, f"/cases/{CASE}/unmask", reason=" ")).status_code == 400
    assert (await post(client, "/cases/none/unmask", reason="x")).status_code == 404
    assert console.audit.of("unmask") == []

    answer = await post(client, f"/cases/{CASE}/unmask?order=score", reason="the customer is on the phone")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{CASE}?order=score")
    assert console.audit.of("unmask") == [("ann", "unmask", "done", f"case:{CASE}", "the customer is on the phone")]
    page = (await client.get(f"/cases/{CASE}")).text
    assert all(secret in page for secret in SECRETS.values())
    assert "Identifiers are shown until you log out" in page

    again = await console.logged_in("ann", "analyst")  # another session of the same user
    assert SECRETS["ip"] not in (await again.get(f"/cases/{CASE}")).text


async def test_identifiers_are_not_revealed_without_a_record(console: ConsoleUnderTest) -> None:
    await put_secrets(console, SECRETS["ip"])
    client = await console.logged_in("ann", "analyst")
    console.audit.fails = True
    assert (await post(client, f"/cases/{CASE}/unmask", reason="x")).status_code == 503
    assert SECRETS["ip"] not in (await client.get(f"/cases/{CASE}")).text


@pytest.mark.parametrize(("role", "parts"), [("analyst", 0), ("senior", 1)])
async def test_a_search_does_not_tell_what_is_masked(console: ConsoleUnderTest, role: Role, parts: int) -> None:
    await put_secrets(console, SECRETS["ip"])
    client = await console.logged_in("ann", role)
    whole = SECRETS["account_id"]
    assert f"/cases/{CASE}" in (await client.get("/", params={"text": whole})).text
    assert (await client.get("/", params={"text": whole[:8]})).text.count(f'href="/cases/{CASE}') == parts


def test_what_pages_find_things_by_is_never_changed() -> None:
    """A device that is called as a rule, a case or a user must not break the page."""
    each = revealing("x")
    for name in ("takeover/x", "high", "review", "a1", "e-1", "EUR", "note"):
        hostile = replace(each, payment=replace(each.payment, device_id=name))
        shown = masking_of(False, case(CASE, account_id=each.account_id), [hostile]).shown(hostile)
        assert (shown.alert_id, shown.rules[0].rule, shown.rules[0].severity) == ("a1", "takeover/x", "high")
        assert (shown.outcome, shown.payment.currency, shown.payment.event_id) == (each.outcome, "EUR", "e-1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to 12345678901 and 123456789", f"to {DOTS}8901 and {DOTS}89"),  # the longer one first
        ("123456789", f"{DOTS}89"),
        ("a", f"{DOTS}"),  # short, and alone
        ("a cat", "a cat"),
    ],
)
def test_known_identifiers_are_masked_in_texts(text: str, shown: str) -> None:
    known = ("123456789", "12345678901", "a")
    assert Masking(False, known).text(text) == shown
    assert Masking(True, known).text(text) == text


NUMBERS: Final = (
    "4111 1111 1111 1111",
    "5500-0000-0000-0004",
    "378282246310005",
    "DE89 3704 0044 0532 0130 00",
    "gb82west12345698765432",
    "NO9386011117947",
)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_cards_and_accounts_are_masked_wherever_they_stand_though_nothing_else_is_known_of_them(
    number: str,
) -> None:
    end = number.replace(" ", "").replace("-", "")[-4:]
    for before, behind in (("", ""), ("paid with ", " EUR 12.50 YESTERDAY"), ("(", "),"), ("卡号", "。")):
        shown = Masking(False).text(f"{before}{number}{behind}")
        assert shown == f"{before}{DOTS}{end}{behind}"
        assert Masking(True).text(number) == number


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 has a wrong check digit",
        "DE88370400440532013000 as well",
        "0000 0000 0000 0000",
        "2026-03-04 12:00:00, 12,500,000.00 EUR",
        "case 5e5e5e5e5e5e5e5e of rule mule/two_hops",
        "",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert Masking(False).text(text) == text


async def test_a_note_shows_no_number_that_an_analyst_wrote_until_the_case_is_revealed(
    console: ConsoleUnderTest,
) -> None:
    written = "his other card is 4111 1111 1111 1111, he answers at 00491701234567, IBAN DE89 3704 0044 0532 0130 00"
    await put(console, revealing("x"), notes=(CaseNote(1_772_625_600_000, "bob", "note", written),))
    client = await console.logged_in("ann", "analyst")
    page = (await client.get(f"/cases/{CASE}")).text
    assert f"his other card is {DOTS}1111, he answers at {DOTS}4567, IBAN {DOTS}3000" in page
    for hidden in ("4111 1111", "01234567", "3704 0044"):
        assert hidden not in page
    await post(client, f"/cases/{CASE}/unmask", reason="he is on the phone")
    assert "4111 1111 1111 1111" in (await client.get(f"/cases/{CASE}")).text
    assert console.audit.of("unmask") == [("ann", "unmask", "done", f"case:{CASE}", "he is on the phone")]
