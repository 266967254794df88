"""Messages of ISO 8583 through the shipped mapping, as files and as messages of a topic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import iso8583
import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import load_mapping, parse_mapping
from fraudstream.backtest.payment_file import PaymentFile
from fraudstream.backtest.row_report import RowReport
from fraudstream.bridge.conversion import ConvertedMessage, Message, MessageConverter
from fraudstream.contracts import Payment
from fraudstream.formats import card_numbers
from fraudstream.formats.catalogue import FormatServices
from fraudstream.formats.iso8583 import Iso8583Format
from fraudstream.formats.iso8583_dialect import parse_dialect, read_dialect
from fraudstream.formats.message import MessageError
from fraudstream.formats.message_layout import MessageLayout
from tests.unit.formats.card_messages import AUTHORISATION, CARD, OTHER_CARD, REVERSAL, encoded

SECRET = b"a secret of the tests"
KEYED = FormatServices(card_numbers.keyed(SECRET))
PUBLISHED_MS = 1_772_622_001_000  # 2026-03-04T11:00:01Z


def converted(
    message: bytes, published_at_ms: int = PUBLISHED_MS, services: FormatServices = KEYED
) -> ConvertedMessage:
    (found,) = MessageConverter([load_mapping("iso8583")], services).convert([Message(message, published_at_ms)])
    return found


def payment_of(elements: dict[str, str]) -> Payment:
    (payment,) = converted(encoded(elements)).payments
    return payment


def test_an_authorisation_is_a_payment_by_card_without_its_number() -> None:
    payment = payment_of(AUTHORISATION)
    assert payment == Payment(
        event_id="1-00000012345-000101-0304110000",
        occurred_at=1_772_622_000_000,
        account_id=card_numbers.keyed(SECRET)(CARD),
        amount="120.50",
        currency="EUR",
        direction="debit",
        kind="purchase",
        merchant_id="MERCHANT0000001",
        mcc="5411",
        terminal_id="TERM0001",
        country="DE",
        card_present=True,
        attributes={"acquirer": "12345", "entry_mode": "051", "processing_code": "000000", "card_bin": "411111"},
    )
    assert CARD not in repr(payment)


@pytest.mark.parametrize(
    ("code", "currency", "amount"), [("392", "JPY", "12050"), ("414", "KWD", "12.050"), ("986", "BRL", "120.50")]
)
def test_the_amount_has_the_decimals_of_its_currency(code: str, currency: str, amount: str) -> None:
    payment = payment_of(AUTHORISATION | {"49": code})
    assert (payment.currency, payment.amount) == (currency, amount)


def test_a_reversal_takes_back_the_payment_of_its_authorisation() -> None:
    reversal, authorisation = payment_of(REVERSAL), payment_of(AUTHORISATION)
    assert (reversal.kind, reversal.direction) == ("reversal", "credit")
    assert reversal.relates_to == authorisation.event_id
    assert reversal.account_id == authorisation.account_id
    assert reversal.amount == authorisation.amount


def test_a_partial_reversal_takes_back_what_the_replacement_amount_does_not_leave() -> None:
    assert payment_of(REVERSAL | {"95": "000000010050" + "0" * 30}).amount == "20.00"
    refused = converted(encoded(REVERSAL | {"95": "000000099999" + "0" * 30}))
    assert [(refusal.path, refusal.reason) for refusal in refused.refusals] == [("DE4", "invalid")]


def test_an_advice_that_names_its_authorisation_is_its_capture_and_a_repeat_is_the_same_event() -> None:
    advice = payment_of(REVERSAL | {"t": "0220"})
    assert (advice.kind, advice.direction, advice.relates_to) == ("capture", "debit", "1-00000012345-000101-0304110000")
    assert payment_of(AUTHORISATION | {"t": "0101"}).event_id == payment_of(AUTHORISATION).event_id


def test_a_response_is_left_out_and_counted() -> None:
    assert converted(encoded(AUTHORISATION | {"t": "0110", "39": "00"})) == ConvertedMessage([], [], 1)


@pytest.mark.parametrize(
    ("time", "published", "occurred"),
    [
        ("1231235959", "2026-01-01T00:00:05", "2025-12-31T23:59:59"),
        ("0101000001", "2025-12-31T23:59:58", "2026-01-01T00:00:01"),
        ("0229120000", "2024-02-29T12:00:09", "2024-02-29T12:00:00"),
        ("0304110000", "2026-03-04T11:00:01", "2026-03-04T11:00:00"),
    ],
)
def test_a_time_without_a_year_is_in_the_year_nearest_to_its_publication(
    time: str, published: str, occurred: str
) -> None:
    found = converted(encoded(AUTHORISATION | {"7": time}), milliseconds(published)).payments[0]
    assert found.occurred_at == milliseconds(occurred)


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("elements", "path", "reason"),
    [
        ({"4": "12A000000000"}, "DE4", "amount"),
        ({"7": "1332000000"}, "DE7", "invalid"),
        ({"49": "999"}, "DE49", "invalid"),
        ({"18": "54A1"}, "DE18", "invalid"),
        ({"2": "41111111111X1111"}, "DE2", "invalid"),
        ({"43": "x" * 38 + "??"}, "DE43", "invalid"),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_data_element(elements: dict[str, str], path: str, reason: str) -> None:
    (refusal,) = converted(encoded(AUTHORISATION | elements)).refusals
    assert (refusal.path, refusal.reason) == (path, reason)
    assert CARD[:8] not in refusal.sentence


@pytest.mark.parametrize(
    ("message", "path", "sentence"),
    [
        (b"", "MTI", "can't be decoded at byte 1 of 0: Field data is 0 bytes, expecting 4."),
        (b"01", "MTI", "can't be decoded at byte 1 of 2: Field data is 2 bytes, expecting 4."),
        (b"0100723", "bitmap", "can't be decoded at byte 5 of 7: Field data is 3 bytes, expecting 16."),
        (b"0100Z234054128C18000", "bitmap", "can't be decoded at byte 5 of 20: Failed to decode field, non-hex data."),
        (b"0100" + b"8" + b"0" * 15 + b"4", "DE1 (bitmap)",
         "can't be decoded at byte 21 of 21: Field data is 1 bytes, expecting 16."),
        (b"0100" + b"4" + b"0" * 15 + b"99411", "DE2",
         "can't be decoded at byte 21 of 25: Field data is 99 bytes, larger than maximum 19."),
        (b"XYZW" + b"0" * 16, "MTI", "'XYZW' is no message type of four digits."),
        (b"0100" + b"0" * 16 + b"more", "bitmap", "can't be decoded at byte 21 of 24: Extra data after last field."),
    ],
)  # fmt: skip
def test_a_message_that_ends_too_early_is_refused_with_the_element(message: bytes, path: str, sentence: str) -> None:
    with pytest.raises(MessageError) as caught:
        Iso8583Format(MessageLayout("iso8583"), ["mti"]).transactions(message, None)
    assert (caught.value.path, caught.value.sentence, caught.value.reason) == (path, sentence, "format")


def test_a_card_number_is_refused_where_a_token_is_due_and_is_kept_only_where_settings_say_so() -> None:
    (refusal,) = converted(encoded(AUTHORISATION), services=FormatServices(card_numbers.token)).refusals
    assert (refusal.path, CARD in refusal.sentence) == ("DE2", False)
    token = converted(encoded(AUTHORISATION | {"2": "9000000000000002"}), services=FormatServices(card_numbers.token))
    assert token.payments[0].account_id == "9000000000000002"
    clear = converted(encoded(AUTHORISATION), services=FormatServices(card_numbers.clear))
    assert clear.payments[0].account_id == CARD
    with pytest.raises(ValueError, match=r"column '2' reads a card's number\. Set cards\.secret_file"):
        MessageConverter([load_mapping("iso8583")])


def test_a_card_has_one_identifier_by_its_number_or_its_track_under_one_secret() -> None:
    by_track = {key: value for key, value in AUTHORISATION.items() if key != "2"} | {"35": CARD + "=30121010000000000"}
    assert payment_of(by_track).account_id == payment_of(AUTHORISATION).account_id
    assert payment_of(AUTHORISATION | {"2": OTHER_CARD}).account_id != payment_of(AUTHORISATION).account_id
    other = converted(encoded(AUTHORISATION), services=FormatServices(card_numbers.keyed(SECRET + b"2")))
    assert other.payments[0].account_id != payment_of(AUTHORISATION).account_id


@pytest.mark.parametrize("column", ["35", "52", "55", "36[1:4]", "45"])
def test_no_mapping_can_read_tracks_pins_and_chip_data(column: str) -> None:
    with pytest.raises(ValueError, match="which holds a track, a PIN or chip data"):
        Iso8583Format(MessageLayout("iso8583"), [column], card_numbers.clear)


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ("DE4", "column 'DE4' is not understood. Write mti, the number of a data element"),
        ("4.amount", "column '4.amount': DE4 has no part 'amount'."),
        ("11.bin", "column '11.bin': DE11 has no part 'bin'."),
        ("2[1:6]", "column '2[1:6]': of a card's number only 2, 2.bin and 2.last4 can be read."),
        ("11[0:2]", "column '11[0:2]': characters are counted from 1"),
    ],
)
def test_a_column_that_is_none_is_refused(column: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^column") as caught:
        Iso8583Format(MessageLayout("iso8583"), [column], card_numbers.clear)
    assert str(caught.value).startswith(sentence)


def test_the_packed_dialect_reads_the_same_elements() -> None:
    spec = {element: dict(layout) for element, layout in read_dialect("bcd").spec.items()}
    packed = AUTHORISATION | {"22": "0051", "49": "0978", "2": CARD, "32": "12345"}
    message, _ = iso8583.encode(packed, spec)
    columns = ["2", "4", "7", "11", "22", "32", "49.alpha", "mti"]
    (transaction,) = Iso8583Format(MessageLayout("iso8583", dialect="bcd"), columns, card_numbers.clear).transactions(
        bytes(message), None
    )
    assert transaction.values == [CARD, "000000012050", "0304110000", "000101", "051", "12345", "EUR", "0100"]


def test_a_dialect_of_ones_own_changes_what_it_names(tmp_path: Path) -> None:
    text = "title: switch\nbase: ascii\nheader_bytes: 5\nelements:\n  43: {encoding: cp037}\n"
    (tmp_path / "switch.yaml").write_text(text)
    message = b"\0\0\0\0\x07" + encoded(AUTHORISATION).replace(
        AUTHORISATION["43"].encode(), AUTHORISATION["43"].encode("cp037")
    )
    layout = MessageLayout("iso8583", dialect=str(tmp_path / "switch.yaml"))
    (transaction,) = Iso8583Format(layout, ["43[39:40]", "mti"]).transactions(message, None)
    assert transaction.values == ["DE", "0100"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title: t\nbase: ebcdic\n", "dialect d.yaml: Invalid enum value 'ebcdic' - at `$.base`."),
        ("title: t\nbase: ascii\nelements: {200: {encoding: ascii}}\n", "dialect d.yaml: there is no element '200'"),
        ("title: t\nbase: ascii\nelements: {2: {encoding: latin-99}}\n", "dialect d.yaml, element 2: encoding"),
        ("title: t\nbase: ascii\nbase: ascii\n", "dialect d.yaml: line 3"),
    ],
)  # fmt: skip
def test_a_dialect_that_cannot_be_used_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^dialect") as caught:
        parse_dialect(text, "d.yaml")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("framing", ["lines", "length2", "length4"])
def test_a_file_and_a_topic_give_the_same_payments_and_refusals(tmp_path: Path, framing: str) -> None:
    messages = [encoded(AUTHORISATION), encoded(REVERSAL | {"49": "999"}), encoded(REVERSAL)]
    frame: dict[str, Callable[[bytes], bytes]] = {
        "lines": lambda message: message.hex().encode() + b"\n",
        "length2": lambda message: len(message).to_bytes(2, "big") + message,
        "length4": lambda message: b"%04d" % len(message) + message,
    }
    (tmp_path / "cards.hex").write_bytes(b"".join(map(frame[framing], messages)))
    text = Path("examples/mappings/iso8583.yaml").read_text() + "on_bad_row: skip\n"
    layout = f"{{format: iso8583, dialect: ascii, framing: {framing}, reference_date: 2026-03-04}}"
    mapping = parse_mapping(text.replace("{format: iso8583, dialect: ascii}", layout), "m.yaml")
    report = RowReport()
    file = PaymentFile(tmp_path / "cards.hex", mapping, report, KEYED)
    from_file = [payment for batch in file.batches() for payment in batch.payments]
    found = MessageConverter([mapping], KEYED).convert([Message(message, 0) for message in messages])
    assert from_file == [payment for each in found for payment in each.payments]
    assert [payment.kind for payment in from_file] == ["purchase", "reversal"]
    refused = [refusal for each in found for refusal in each.refusals]
    assert report.first is not None
    assert [(refusal.path, refusal.sentence) for refusal in refused] == [("DE49", report.first.sentence)]


def test_a_message_that_the_mapping_leaves_out_is_not_refused_whatever_it_holds(tmp_path: Path) -> None:
    response = encoded(AUTHORISATION | {"t": "0110", "2": "4111", "49": "999"})
    assert converted(response) == ConvertedMessage([], [], 1)
    (tmp_path / "cards.hex").write_bytes(response.hex().encode())
    report = RowReport()
    assert list(PaymentFile(tmp_path / "cards.hex", load_mapping("iso8583"), report, KEYED).batches()) == []
    assert (report.excluded, report.bad) == (1, {})


def test_the_element_that_is_missing_in_an_id_is_named() -> None:
    without = {name: text for name, text in AUTHORISATION.items() if name != "11"}
    (refusal,) = converted(encoded(without)).refusals
    assert refusal[1:] == ("is empty, but event_id is required.", "DE11")


def test_a_file_without_a_reference_date_is_told_that_it_has_no_year(tmp_path: Path) -> None:
    (tmp_path / "cards.hex").write_bytes(encoded(AUTHORISATION).hex().encode())
    with pytest.raises(PaymentFileError, match="a time without a year: set `reference_date`"):
        list(PaymentFile(tmp_path / "cards.hex", load_mapping("iso8583"), None, KEYED).batches())
