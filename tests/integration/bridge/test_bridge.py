"""The bridge on a real broker: every payment of a message once, whatever kills it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fraudstream.backtest.mapping import load_mapping
from fraudstream.backtest.payment_file import PaymentFile
from fraudstream.cli.main import main
from fraudstream.engine.partitioners import partitions_for
from fraudstream.formats.card_numbers import keyed
from tests.brokers import SelectedBroker, on_both_brokers, on_kafka
from tests.integration.bridge.bank_topic import PARTITIONS, BankTopic
from tests.unit.formats.card_messages import AUTHORISATION, CARD, REVERSAL, encoded

SAMPLES = Path(__file__).parents[2] / "unit" / "formats" / "samples"
SEPA = (SAMPLES / "pacs.008.001.02-sepa.xml").read_bytes()
ALL = ("--format=pacs.008", "--format=pacs.004", "--format=camt.056")
WAIT_S_MAX = 60.0


@pytest.fixture
async def bank(selected_broker: SelectedBroker, unique_name: Callable[[str], str]) -> BankTopic:
    bank = BankTopic(selected_broker, unique_name)
    await bank.create()
    return bank


def transfer(number: int) -> bytes:
    """A message of two transfers with ids of its own."""
    return SEPA.replace(b"SCT-0304-0001", b"SCT-%06d" % number)


@on_both_brokers
async def test_messages_of_three_types_become_payments_in_the_partitions_of_their_accounts(bank: BankTopic) -> None:
    names = ("pacs.008.001.02-sepa.xml", "pacs.008.001.08-cross-border.xml", "pacs.004.001.09-return.xml",
             "camt.056.001.08-recall.xml")  # fmt: skip
    await bank.publish([(SAMPLES / name).read_bytes() for name in names])
    assert await asyncio.to_thread(main, bank.command("--once", *ALL)) == 0
    found = await bank.read_payments()
    by_id = {payment.event_id: payment for payments in found.values() for payment in payments}
    from_files = [
        payment
        for name in names
        for batch in PaymentFile(SAMPLES / name, load_mapping(name[:8])).batches()
        for payment in batch.payments
    ]
    assert by_id == {payment.event_id: payment for payment in from_files}
    for partition, payments in found.items():
        keys = [payment.account_id.encode() for payment in payments]
        assert partitions_for(keys, PARTITIONS).tolist() == [partition] * len(payments)
    assert await bank.read_letters() == []


@on_both_brokers
async def test_what_is_refused_is_a_dead_letter_with_place_path_and_sentence_and_the_rest_are_payments(
    bank: BankTopic,
) -> None:
    bad_amount = transfer(1).replace(b">112.45<", b">112,45<")
    await bank.publish(
        [transfer(0), bad_amount, b"<Document", None, b'{"a": 1}', SEPA.replace(b"pacs.008", b"pacs.003")]
    )
    assert await asyncio.to_thread(main, bank.command("--once", *ALL)) == 0
    letters = {(letter.partition, letter.offset): letter for letter in await bank.read_letters()}
    assert {(place, letter.reason, letter.path, letter.topic) for place, letter in letters.items()} == {
        ((1, 0), "amount", "/Document/FIToFICstmrCdtTrf/CdtTrfTxInf[2]/IntrBkSttlmAmt", bank.source),
        ((2, 0), "format", "/", bank.source),
        ((0, 1), "format", "", bank.source),
        ((1, 1), "format", "/", bank.source),
        ((2, 1), "format", "/", bank.source),
    }
    assert letters[1, 0].sentence.startswith("'112,45' is not a decimal amount")
    assert (letters[1, 0].value, letters[1, 0].key) == (bad_amount, b"bank-1")
    assert letters[2, 1].sentence == "is a pacs.003; this bridge reads pacs.008, pacs.004, camt.056."
    paid = {payment.event_id for payments in (await bank.read_payments()).values() for payment in payments}
    assert paid == {"SCT-000000-1", "SCT-000000-2", "SCT-000001-1"}


async def test_messages_of_cards_become_payments_and_no_topic_of_ours_has_a_card_number(
    broker: str, unique_name: Callable[[str], str], tmp_path: Path
) -> None:
    bank = BankTopic(SelectedBroker(broker, False), unique_name)
    await bank.create()
    (tmp_path / "secret").write_text("a secret of the tests\n")
    # Not a constant: a message's time has no year, and is near its publication.
    now = time.strftime("%m%d%H%M%S", time.gmtime())
    messages = [encoded(AUTHORISATION | {"7": now}), encoded(REVERSAL | {"7": now}), encoded(AUTHORISATION)[:60]]
    await bank.publish([*messages, encoded(AUTHORISATION | {"49": "999"})])
    command = bank.command("--once", "--format=iso8583", f"--cards-secret-file={tmp_path / 'secret'}")
    assert await asyncio.to_thread(main, command) == 0
    payments = [payment for found in (await bank.read_payments()).values() for payment in found]
    assert {payment.kind for payment in payments} == {"purchase", "reversal"}
    assert {payment.account_id for payment in payments} == {keyed(b"a secret of the tests")(CARD)}
    letters = await bank.read_letters()
    assert {(letter.path, letter.value, letter.value_bytes > 0) for letter in letters} == {
        ("DE7", b"", True),
        ("DE49", b"", True),
    }
    assert CARD not in repr(payments) + repr(letters)


@on_both_brokers
async def test_a_bridge_that_is_stopped_leaves_nothing_open_and_the_next_one_goes_on(bank: BankTopic) -> None:
    process = await bank.start("--format=pacs.008")
    await bank.publish([transfer(number) for number in range(30)])
    await until_paid(bank, 60)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), WAIT_S_MAX) == 0
    await bank.publish([transfer(number) for number in range(30, 40)])
    assert await asyncio.to_thread(main, bank.command("--once", "--format=pacs.008")) == 0
    assert sorted(await paid_ids(bank)) == sorted(f"SCT-{n:06d}-{each}" for n in range(40) for each in (1, 2))


@on_kafka
async def test_bridges_that_are_killed_publish_every_payment_once(bank: BankTopic) -> None:
    """kill -9 at moments that the test does not choose, while messages arrive and two bridges share the partitions."""
    total = 0
    for burst in range(3):
        one, other = [await bank.start("--format=pacs.008", "--set=worker.session_timeout_s=6") for _ in range(2)]
        try:
            for _ in range(5):
                await bank.publish([transfer(number) for number in range(total, total + 60)])
                total += 60
            await until_paid(bank, 2 * total - 400 + 100 * burst)
        finally:
            for process in (one, other):
                process.kill()
                await process.wait()
    assert await asyncio.to_thread(main, bank.command("--once", "--format=pacs.008")) == 0
    assert sorted(await paid_ids(bank)) == sorted(f"SCT-{n:06d}-{each}" for n in range(total) for each in (1, 2))


async def test_a_killed_bridge_loses_nothing_without_transactions(
    broker: str, unique_name: Callable[[str], str]
) -> None:
    """On the embedded broker a repeat is possible: the workers know the payment by its event_id."""
    bank = BankTopic(SelectedBroker(broker, False), unique_name)
    await bank.create()
    process = await bank.start("--format=pacs.008", "--set=worker.session_timeout_s=2")
    try:
        await bank.publish([transfer(number) for number in range(200)])
        await until_paid(bank, 100)
    finally:
        process.kill()
        await process.wait()
    assert await asyncio.to_thread(main, bank.command("--once", "--format=pacs.008")) == 0
    assert set(await paid_ids(bank)) == {f"SCT-{n:06d}-{each}" for n in range(200) for each in (1, 2)}


@pytest.mark.parametrize("missing", ["source", "payments"])
async def test_a_missing_topic_is_named_and_not_created(
    missing: str, broker: str, unique_name: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    bank = BankTopic(SelectedBroker(broker, False), unique_name)
    await bank.create()
    setattr(bank, missing, unique_name("nothing"))
    assert await asyncio.to_thread(main, bank.command("--once", "--format=pacs.008")) == 78
    assert f"has no topic '{unique_name('nothing')}'" in capsys.readouterr().err


async def paid_ids(bank: BankTopic) -> list[str]:
    return [payment.event_id for payments in (await bank.read_payments()).values() for payment in payments]


async def until_paid(bank: BankTopic, count: int) -> None:
    """Wait until there are so many payments. Raises `TimeoutError`."""
    async with asyncio.timeout(WAIT_S_MAX):
        while True:
            if len(await paid_ids(bank)) >= count:
                return
            await asyncio.sleep(0.05)
