"""Messages of ISO 8583 with made-up cards and merchants. The card numbers are those that networks publish for tests."""

from __future__ import annotations

import iso8583
from iso8583.specs import default_ascii

CARD = "4111111111111111"
OTHER_CARD = "5500005555555559"

AUTHORISATION = {
    "t": "0100",
    "2": CARD,
    "3": "000000",
    "4": "000000012050",
    "7": "0304110000",
    "11": "000101",
    "12": "120000",
    "13": "0304",
    "18": "5411",
    "22": "051",
    "32": "12345",
    "37": "606300000101",
    "41": "TERM0001",
    "42": "MERCHANT0000001",
    "43": f"{'Corner Grocery':25}{'Oldtown':13}DE",
    "49": "978",
}
REVERSAL = AUTHORISATION | {
    "t": "0400",
    "7": "0304110100",
    "11": "000102",
    "90": "0100" + "000101" + "0304110000" + "00000012345" + "00000000000",
}


def encoded(elements: dict[str, str]) -> bytes:
    """A message in the dialect `ascii`."""
    message, _ = iso8583.encode(dict(elements), default_ascii)
    return bytes(message)
