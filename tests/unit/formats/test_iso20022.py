"""Messages of ISO 20022 through the shipped mappings, as files. The samples have the forms of public ones; all parties
are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream.backtest.file_error import PaymentFileError
from fraudstream.backtest.mapping import MappingError, load_mapping, parse_mapping
from fraudstream.backtest.payment_file import PaymentFile
from fraudstream.backtest.row_report import RowReport
from fraudstream.contracts import Payment
from fraudstream.formats.iso20022 import Iso20022Format, type_of_message
from fraudstream.formats.message import MessageError

SAMPLES = Path(__file__).parent / "samples"
PACS_008 = (SAMPLES / "pacs.008.001.08-cross-border.xml").read_text()


def payments_of(sample: str) -> list[Payment]:
    path = SAMPLES / sample
    mapping = load_mapping(sample[:8])
    return [payment for batch in PaymentFile(path, mapping).batches() for payment in batch.payments]


def test_a_message_of_two_transfers_gives_two_payments_with_unstructured_addresses() -> None:
    first, second = payments_of("pacs.008.001.02-sepa.xml")
    assert first == Payment(
        event_id="SCT-0304-0001-1",
        occurred_at=1772608500000,
        account_id="DE00000000000000000101",
        amount="1250.00",
        currency="EUR",
        direction="debit",
        kind="transfer",
        counterparty_id="FR0000000000000000000000202",
        counterparty_bank="BBBBFR00XXX",
        attributes={
            "end_to_end_id": "NOTPROVIDED",
            "creditor_name": "Flour & Sons",
            "creditor_country": "FR",
            "creditor_address": "Quay 9 00002 Harbour",
        },
    )
    assert (second.event_id, second.amount, second.account_id) == (
        "SCT-0304-0001-2",
        "112.45",
        "DE00000000000000000102",
    )
    assert second.attributes is not None
    assert second.attributes["creditor_name"] == "Caffè Verde"


def test_a_message_in_an_envelope_gives_its_uetr_its_structured_address_and_yen_without_decimals() -> None:
    (payment,) = payments_of("pacs.008.001.08-cross-border.xml")
    assert (payment.event_id, payment.amount, payment.currency) == (
        "3d1f0c52-6b7e-4a11-9c0d-0f5a2b9d7e01",
        "250000",
        "JPY",
    )
    assert (payment.account_id, payment.occurred_at) == ("00-11-22-33445566", 1772618370000)
    assert payment.attributes is not None
    assert (payment.attributes["creditor_town"], payment.attributes["purpose"]) == ("Sakuracho", "GDDS")


def test_transfers_that_customers_initiate_have_the_account_of_their_group_and_ids_of_their_own() -> None:
    payments = payments_of("pain.001.001.03-batch.xml")
    assert [(p.event_id, p.account_id, p.amount) for p in payments] == [
        ("PAY-2026-11-1", "DE00000000000000000104", "2500.50"),
        ("PAY-2026-11-2", "DE00000000000000000104", "2500.50"),
        ("PAY-2026-11-3", "DE00000000000000000105", "500.00"),
    ]
    assert payments[2].attributes is not None
    assert payments[2].attributes["creditor_name"] == "Grundstücksverwaltung"
    assert payments[2].attributes["execution_date"] == "2026-03-06"


@pytest.mark.parametrize(
    ("returned", "original"),
    [
        ("pacs.004.001.09-return.xml", "pacs.008.001.08-cross-border.xml"),
        ("camt.056.001.08-recall.xml", "pacs.008.001.02-sepa.xml"),
    ],
)
def test_a_return_and_a_recall_take_back_the_payment_of_the_original_transfer(returned: str, original: str) -> None:
    (reversal,), transfer = payments_of(returned), payments_of(original)[0]
    assert (reversal.kind, reversal.direction, reversal.relates_to) == ("reversal", "credit", transfer.event_id)
    assert (reversal.account_id, reversal.amount, reversal.currency) == (
        transfer.account_id,
        transfer.amount,
        transfer.currency,
    )
    assert reversal.counterparty_id == transfer.counterparty_id
    assert reversal.event_id != transfer.event_id


def test_a_transfer_without_an_id_of_its_own_is_refused_with_file_transaction_and_path() -> None:
    with pytest.raises(PaymentFileError) as caught:
        payments_of("pacs.008.001.12-prefixed.xml")
    assert str(caught.value).endswith(
        "pacs.008.001.12-prefixed.xml, transaction 1, column 'PmtId/UETR | PmtId/TxId': is empty, but event_id is "
        "required."
    )


@pytest.mark.parametrize(
    ("old", "new", "path", "sentence"),
    [
        ("</Document>", "", "/BusinessMessage/Document",
         "is not well-formed XML, at line 48, column 3: mismatched tag."),
        ("pacs.008.001.08", "pacs.009.001.08", "/BusinessMessage/Document", "is a pacs.009; expected pacs.008."),
        ("<NbOfTxs>1<", "<NbOfTxs>2<", "/BusinessMessage/Document/FIToFICstmrCdtTrf/GrpHdr/NbOfTxs",
         "says that there are 2 transactions, but there are 1."),
        ("CdtTrfTxInf", "Other", "/BusinessMessage/Document/FIToFICstmrCdtTrf",
         "has no transaction: there is no CdtTrfTxInf."),
        ("Document", "Dokument", "/BusinessMessage",
         "is no message of ISO 20022: BusinessMessage holds no element Document."),
        ('<?xml version="1.0" encoding="UTF-8"?>', '<!DOCTYPE lolz [<!ENTITY lol "lol">]>', "/",
         "has a document type (<!DOCTYPE>), which may define entities and is never needed. Remove it."),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_read_is_refused_with_its_path(old: str, new: str, path: str, sentence: str) -> None:
    reader = Iso20022Format("pacs.008", ["PmtId/UETR"])
    with pytest.raises(MessageError) as caught:
        reader.transactions(PACS_008.replace(old, new).encode(), None)
    assert (caught.value.sentence, caught.value.path, caught.value.reason) == (sentence, path, "format")


def test_a_value_of_a_second_transaction_is_located_by_its_whole_path() -> None:
    reader = Iso20022Format("pain.001", ["../DbtrAcct/Id/IBAN | ../DbtrAcct/Id/Othr/Id", "Amt/InstdAmt/@Ccy"])
    third = reader.transactions((SAMPLES / "pain.001.001.03-batch.xml").read_bytes(), None)[2]
    assert third.values == ["DE00000000000000000105", "EUR"]
    around = "/Document/CstmrCdtTrfInitn/PmtInf[2]"
    assert third.path_of(0) == f"{around}/DbtrAcct/Id/IBAN"
    assert third.path_of(1) == f"{around}/CdtTrfTxInf[1]/Amt/InstdAmt/@Ccy"
    assert third.path_of(None) == f"{around}/CdtTrfTxInf[1]"


def test_an_element_that_is_there_twice_is_a_fault_unless_the_path_says_which() -> None:
    reader = Iso20022Format("pacs.008", ["RmtInf/Ustrd", "RmtInf/Ustrd[2]", "RmtInf/Ustrd[*]", "Dbtr"])
    (transaction,) = reader.transactions(PACS_008.encode(), None)
    assert transaction.values == [None, "Second shipment", "Order 5521 Second shipment", None]
    assert transaction.fault is not None
    assert transaction.fault.sentence.startswith("Ustrd is there 2 times: write Ustrd[1]")


def test_a_prefix_a_version_and_no_namespace_at_all_make_no_difference() -> None:
    reader = Iso20022Format("pacs.008", ["PmtId/UETR", "/AppHdr/BizMsgIdr"])
    namespace = ' xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"'
    for message in (PACS_008, PACS_008.replace("001.08", "001.13"), PACS_008.replace(namespace, "")):
        (transaction,) = reader.transactions(message.encode(), None)
        assert transaction.values == ["3d1f0c52-6b7e-4a11-9c0d-0f5a2b9d7e01", "XB-77"]


def test_the_type_of_a_message_is_found_in_its_first_bytes() -> None:
    assert type_of_message(PACS_008.encode()) == "pacs.008"
    assert type_of_message((SAMPLES / "camt.056.001.08-recall.xml").read_bytes()) == "camt.056"
    assert type_of_message(b"{}") is None


MAPPING = """
title: t
message: {format: pacs.008}
payment:
  event_id: {column: PmtId/UETR}
  occurred_at: {column: AccptncDtTm}
  account_id: {column: DbtrAcct/Id/Othr/Id}
  amount: {column: IntrBkSttlmAmt, scale: major}
  currency: {column: IntrBkSttlmAmt/@Ccy}
  direction: {constant: debit}
"""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("PmtId/UETR", "PmtId//UETR", "payment.event_id: path 'PmtId//UETR' has '', which is not understood."),
        (", scale: major", "", "payment.amount: has no scale. Set `scale: major`"),
        ("{column: PmtId/UETR}", '{template: "x{row}"}', "payment.event_id: a message has no {row}."),
        ("pacs.008", "pacs.8", "format is 'pacs.8', which is not known; there are pacs.008, pain.001"),
    ],
)
def test_a_mapping_that_no_message_could_satisfy_is_refused(old: str, new: str, sentence: str) -> None:
    with pytest.raises(MappingError, match=r"^m\.yaml: ") as caught:
        parse_mapping(MAPPING.replace(old, new), "m.yaml")
    assert sentence in str(caught.value)


def test_one_bad_transaction_of_several_is_left_out_where_bad_rows_are_skipped(tmp_path: Path) -> None:
    text = (SAMPLES / "pacs.008.001.02-sepa.xml").read_text().replace(">112.45<", ">112.455<")
    path = tmp_path / "p.xml"
    path.write_text(text)
    mapping = load_mapping("pacs.008")
    skipping = parse_mapping(
        (Path("examples/mappings/pacs.008.yaml")).read_text() + "on_bad_row: skip\n", "pacs.008.yaml"
    )
    with pytest.raises(PaymentFileError, match=r"transaction 2, column 'IntrBkSttlmAmt': 112\.455 has more decimals"):
        list(PaymentFile(path, mapping).batches())
    report = RowReport()
    (batch,) = PaymentFile(path, skipping, report).batches()
    assert [payment.event_id for payment in batch.payments] == ["SCT-0304-0001-1"]
    assert report.bad == {"amount": 1}
