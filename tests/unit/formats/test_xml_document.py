"""XML of an attacker: refused with a sentence, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from fraudstream.formats.iso20022 import Iso20022Format
from fraudstream.formats.message import MessageError

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">%s]>
<Document>&z;</Document>""" % b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(25))


def refusal(message: bytes) -> MessageError:
    with pytest.raises(MessageError) as caught:
        Iso20022Format("pacs.008", ["PmtId/UETR", "/Document/FIToFICstmrCdtTrf/GrpHdr/MsgId"]).transactions(
            message, None
        )
    return caught.value


@pytest.mark.parametrize(
    "message",
    [
        LAUGHS,
        b'<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd"><Document/>',
        b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Document>&x;</Document>',
        b'<!DOCTYPE d [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><Document/>',
    ],
    ids=["billion laughs", "external type", "external entity", "parameter entity"],
)
def test_a_document_type_is_refused_where_it_begins(message: bytes) -> None:
    assert refusal(message).sentence.startswith("has a document type (<!DOCTYPE>)")


def test_depth_elements_and_attributes_are_bounded() -> None:
    assert "more than 64 elements inside one another" in refusal(b"<a>" * 100_000).sentence
    assert "more than 250,000 elements" in refusal(b"<a>" + b"<b/>" * 300_000 + b"</a>").sentence
    attributes = b" ".join(b'a%d="1"' % n for n in range(100))
    assert "more than 64 attributes" in refusal(b"<a " + attributes + b"/>").sentence


def test_ten_megabytes_of_elements_cost_bounded_memory() -> None:
    message = b"<Document>" + b"<b/>" * 2_500_000 + b"</Document>"
    tracemalloc.start()
    refusal(message)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150 * 1024 * 1024


def test_a_message_that_is_too_large_is_refused_unread() -> None:
    error = refusal(b" " * (16 * 1024 * 1024 + 1))
    assert (error.reason, error.path) == ("too_large", "/")


def test_many_elements_beside_many_transactions_do_not_cost_their_product() -> None:
    """100,000 elements in the header and 3,000 transactions that each read it: a walk over all of them would take
    minutes."""
    header = b"<GrpHdr>" + b"<X/>" * 100_000 + b"<MsgId>m</MsgId></GrpHdr>"
    transactions = b"<CdtTrfTxInf><PmtId><UETR>u</UETR></PmtId></CdtTrfTxInf>" * 3_000
    message = b"<Document><FIToFICstmrCdtTrf>" + header + transactions + b"</FIToFICstmrCdtTrf></Document>"
    began = time.process_time()
    reader = Iso20022Format("pacs.008", ["PmtId/UETR", "/Document/FIToFICstmrCdtTrf/GrpHdr/MsgId"])
    found = reader.transactions(message, None)
    assert [found[0].values, found[-1].values] == [["u", "m"]] * 2
    assert found[-1].path_of(None).endswith("CdtTrfTxInf[3000]")
    assert time.process_time() - began < 30


@pytest.mark.parametrize(
    "message",
    [b"", b" ", b"\0", b"{}", b"<", b"<a", b"<a></b>", b"\xff\xfe<\0", b"<a>&nbsp;</a>", b"<a/><b/>",
     b'<?xml version="1.0" encoding="no-such"?><a/>', b'<?xml version="1.0" encoding="utf-16"?><a/>',
     b"<Document/>", b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08'/>", b"<a>\xff</a>"],
)  # fmt: skip
def test_what_is_no_message_is_refused(message: bytes) -> None:
    error = refusal(message)
    assert error.reason == "format"
    assert error.sentence.endswith(".")
