"""Malformed messages of ISO 20022 and ISO 8583, of many kinds. `malformed_bridge` sends them through bridges."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Final

LARGE_BYTES: Final = 10 * 1024 * 1024
LARGE_EVERY: Final = 5_000  # one in this many messages is of a large kind
NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"

Make = Callable[[int, random.Random], bytes]


def transfer(number: int, old: str = "", new: str = "", prolog: str = "") -> bytes:
    """A message of one transfer, with `old` replaced by `new`."""
    text = (
        f'{prolog}<Document xmlns="{NAMESPACE}"><FIToFICstmrCdtTrf><GrpHdr><MsgId>M{number}</MsgId>'
        "<CreDtTm>2026-03-04T10:00:00Z</CreDtTm><NbOfTxs>1</NbOfTxs></GrpHdr><CdtTrfTxInf><PmtId>"
        f'<EndToEndId>E</EndToEndId><TxId>T{number}</TxId></PmtId><IntrBkSttlmAmt Ccy="EUR">12.50</IntrBkSttlmAmt>'
        f"<Dbtr><Nm>Payer</Nm></Dbtr><DbtrAcct><Id><IBAN>DE{number % 2000:020d}</IBAN></Id></DbtrAcct>"
        "<Cdtr><Nm>Payee</Nm></Cdtr><CdtrAcct><Id><Othr><Id>77</Id></Othr></Id></CdtrAcct></CdtTrfTxInf>"
        "</FIToFICstmrCdtTrf></Document>"
    )
    return (text.replace(old, new) if old else text).encode("utf-8", "surrogatepass")


def _xml(old: str, new: str) -> Make:
    return lambda number, rng: transfer(number, old, new)


def _prolog(prolog: str, entity: str = "x") -> Make:
    return lambda number, rng: transfer(number, ">Payee<", f">&{entity};<", prolog)


def _amount(text: str) -> Make:
    return _xml(">12.50<", f">{text}<")


_LAUGHS: Final = '<!DOCTYPE d [<!ENTITY a0 "ha">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30)
)
XML_KINDS: Final[dict[str, Make]] = {
    "valid": lambda number, rng: transfer(number),
    "empty": lambda number, rng: b"",
    "blank": lambda number, rng: b" \r\n\t ",
    "json": lambda number, rng: b'{"event_id": "e"}',
    "random bytes": lambda number, rng: rng.randbytes(rng.randrange(1, 300)),
    "truncated": lambda number, rng: _cut(transfer(number), rng),
    "cut at the front": lambda number, rng: transfer(number)[rng.randrange(1, 200) :],
    "one byte changed": lambda number, rng: _changed(transfer(number), rng),
    "three bytes changed": lambda number, rng: _changed(_changed(_changed(transfer(number), rng), rng), rng),
    "two documents": lambda number, rng: transfer(number) * 2,
    "billion laughs": _prolog(_LAUGHS + "]>", "a29"),
    "quadratic entity": _prolog(f'<!DOCTYPE d [<!ENTITY x "{"y" * 5000}">]>'),
    "external entity": _prolog('<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    "external entity, http": _prolog('<!DOCTYPE d [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]>'),
    "parameter entity": _prolog('<!DOCTYPE d [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>'),
    "external type": _prolog('<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd">'),
    "attribute list": _prolog('<!DOCTYPE d [<!ATTLIST d a CDATA "x">]>'),
    "undefined entity": _xml(">Payee<", ">&nbsp;<"),
    "reference to null": _xml(">Payee<", ">&#0;<"),
    "reference to a control character": _xml(">T", ">&#1;T"),
    "control character": _xml(">T", ">\x01T"),
    "line breaks in an id": _xml("<TxId>T", "<TxId>T\n\n"),
    "lone surrogate": _xml(">Payee<", ">\ud800<"),
    "right to left": _xml(">Payee<", ">\u202eeeyaP<"),
    "cdata": _xml(">Payee<", "><![CDATA[<Payee>]]><"),
    "unclosed cdata": _xml(">Payee<", "><![CDATA[<"),
    "unclosed comment": _xml(">Payee<", "><!-- <"),
    "processing instruction": _xml("<PmtId>", "<?php exit(); ?><PmtId>"),
    "deep": lambda number, rng: b"<a>" * rng.randrange(60, 5_000),
    "deep in a transaction": _xml("<PmtId>", "<a>" * 100 + "</a>" * 100 + "<PmtId>"),
    "many attributes": _xml("<PmtId>", "<PmtId " + " ".join(f'a{n}="1"' for n in range(500)) + ">"),
    "same attribute twice": _xml("<PmtId>", '<PmtId a="1" a="2">'),
    "unbound prefix": _xml("<PmtId>", "<x:PmtId>"),
    "many namespaces": _xml("<PmtId>", "<PmtId " + " ".join(f'xmlns:n{n}="u{n}"' for n in range(200)) + ">"),
    "other namespace": _xml("pacs.008.001.08", "pacs.009.001.08"),
    "no iso namespace": _xml(NAMESPACE, "urn:other"),
    "html": lambda number, rng: b"<html><body>502 Bad Gateway</body></html>",
    "no transaction": lambda number, rng: re.sub(rb"<CdtTrfTxInf>.*</CdtTrfTxInf>", b"", transfer(number)),
    "wrong count": _xml("<NbOfTxs>1<", "<NbOfTxs>9<"),
    "count of other digits": _xml("<NbOfTxs>1<", "<NbOfTxs>²<"),
    "utf-16": lambda number, rng: transfer(number).decode().encode("utf-16"),
    "utf-16, said to be utf-8": lambda number, rng: transfer(
        number, prolog='<?xml version="1.0" encoding="utf-8"?>'
    ).decode().encode("utf-16"),
    "utf-32": lambda number, rng: transfer(number).decode().encode("utf-32"),
    "byte order mark": lambda number, rng: b"\xef\xbb\xbf" + transfer(number),
    "unknown encoding": lambda number, rng: transfer(number, prolog='<?xml version="1.0" encoding="klingon"?>'),
    "encoding of a codec": lambda number, rng: transfer(number, prolog='<?xml version="1.0" encoding="rot13"?>'),
    "encoding of compression": lambda number, rng: transfer(number, prolog='<?xml version="1.0" encoding="zlib"?>'),
    "encoding idna": lambda number, rng: transfer(number, prolog='<?xml version="1.0" encoding="idna"?>'),
    "xml 1.1": lambda number, rng: transfer(number, prolog='<?xml version="1.1"?>'),
    "bad utf-8": lambda number, rng: transfer(number).replace(b">Payee<", b">\xc3\x28\xff<"),
    "null byte": lambda number, rng: transfer(number).replace(b">Payee<", b">\0<"),
    "id missing": lambda number, rng: re.sub(rb"<TxId>.*</TxId>", b"", transfer(number)),
    "id empty": lambda number, rng: re.sub(rb"<TxId>.*</TxId>", b"<TxId/>", transfer(number)),
    "id with elements": lambda number, rng: re.sub(rb"<TxId>.*</TxId>", b"<TxId><a/></TxId>", transfer(number)),
    "id twice": lambda number, rng: re.sub(rb"(<TxId>.*</TxId>)", rb"\1\1", transfer(number)),
    "id of 10,000": _xml("<TxId>T", "<TxId>" + "T" * 10_000),
    "id NaN": lambda number, rng: re.sub(rb"<TxId>.*</TxId>", b"<TxId>NaN</TxId>", transfer(number)),
    "account missing": lambda number, rng: re.sub(rb"<DbtrAcct>.*</DbtrAcct>", b"", transfer(number)),
    "currency missing": _xml(' Ccy="EUR"', ""),
    "currency unknown": _xml('"EUR"', '"XQQ"'),
    "currency small": _xml('"EUR"', '"eur"'),
    **{
        f"amount {text or 'empty'}": _amount(text)
        for text in ("", "12,50", "1e3", "INF", "NaN", "-12.50", "+12.50", ".5", "5.", "12.505", "9" * 40, "١٢", "0x10",
                     "1 250")
    },
    **{
        f"time {text or 'empty'}": _xml("2026-03-04T10:00:00Z", text)
        for text in ("", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-30T10:00:00Z", "2026-03-04", "10:00",
                     "2026-03-04T24:00:00Z", "2026-03-04T10:00:60Z", "1772622000", "2026-03-04T10:00:00+99:00")
    },
}  # fmt: skip
LARGE_XML_KINDS: Final[dict[str, Make]] = {
    "10 MB of text": _xml(">Payee<", ">" + "x" * LARGE_BYTES + "<"),
    "10 MB of elements": _xml("<PmtId>", "<x/>" * (LARGE_BYTES // 4) + "<PmtId>"),
    "10 MB attribute": _xml("<PmtId>", '<PmtId a="' + "x" * LARGE_BYTES + '">'),
    "10 MB name": _xml("<PmtId>", "<" + "x" * LARGE_BYTES + "/><PmtId>"),
    "10 MB never closed": lambda number, rng: b"<Document>" + b"<a>x" * (LARGE_BYTES // 4),
    "10 MB of comments": _xml("<PmtId>", "<!-- -->" * (LARGE_BYTES // 8) + "<PmtId>"),
    "10 MB of transfers": lambda number, rng: re.sub(
        rb"(<CdtTrfTxInf>.*</CdtTrfTxInf>)", lambda found: found[1] * 20_000, transfer(number)
    ),
}


def card(number: int, **elements: str) -> bytes:
    """An authorisation in the dialect `ascii`, with `elements` such as `de4` in place of its own. Not checked."""
    texts = {
        "de2": "4111111111111111",
        "de3": "000000",
        "de4": "000000001250",
        "de7": "0304110000",
        "de11": f"{number % 1_000_000:06d}",
        "de18": "5411",
        "de22": "051",
        "de32": f"{number // 1_000_000:06d}",
        "de41": "TERM0001",
        "de42": "MERCHANT0000001",
        "de43": f"{'Corner Grocery':25}{'Oldtown':13}DE",
        "de49": "978",
    } | elements
    bits = sum(1 << (64 - int(name[2:])) for name in texts if name.startswith("de"))
    variable = {"de2", "de32"}
    fields = "".join(f"{len(text):02d}{text}" if name in variable else text for name, text in texts.items())
    return f"0100{bits:016X}{fields}".encode("latin-1", "replace")


def _card(**elements: str) -> Make:
    return lambda number, rng: card(number, **elements)


CARD_KINDS: Final[dict[str, Make]] = {
    "valid": lambda number, rng: card(number),
    "response": lambda number, rng: b"0110" + card(number)[4:],
    "empty": lambda number, rng: b"",
    "message type alone": lambda number, rng: b"0100",
    "bitmap truncated": lambda number, rng: card(number)[: rng.randrange(4, 20)],
    "truncated": lambda number, rng: _cut(card(number), rng),
    "one byte changed": lambda number, rng: _changed(card(number), rng),
    "three bytes changed": lambda number, rng: _changed(_changed(_changed(card(number), rng), rng), rng),
    "random bytes": lambda number, rng: rng.randbytes(rng.randrange(1, 300)),
    "random bitmap": lambda number, rng: card(number)[:4] + f"{rng.getrandbits(64):016X}".encode() + card(number)[20:],
    "bitmap of ones": lambda number, rng: card(number)[:4] + b"F" * 16 + card(number)[20:],
    "bitmap no hex": lambda number, rng: card(number)[:4] + b"Z" * 16 + card(number)[20:],
    "second bitmap missing": lambda number, rng: b"0100" + b"8" + b"0" * 15,
    "third bitmap": lambda number, rng: b"0100" + b"8" + b"0" * 15 + b"8" + b"0" * 15 + b"F" * 16,
    "length too long": lambda number, rng: card(number)[:20] + b"99" + card(number)[22:],
    "length no digits": lambda number, rng: card(number)[:20] + b"XX" + card(number)[22:],
    "length negative": lambda number, rng: card(number)[:20] + b"-1" + card(number)[22:],
    "length of other digits": lambda number, rng: card(number)[:20] + "²²".encode() + card(number)[22:],
    "length zero": lambda number, rng: card(number)[:20] + b"00" + card(number)[22:],
    "more data": lambda number, rng: card(number) + rng.randbytes(rng.randrange(1, 50)),
    "two messages": lambda number, rng: card(number) * 2,
    "message type no digits": lambda number, rng: b"01A0" + card(number)[4:],
    "message type unknown": lambda number, rng: b"9999" + card(number)[4:],
    "in ebcdic": lambda number, rng: card(number).decode().encode("cp037"),
    "in utf-16": lambda number, rng: card(number).decode().encode("utf-16"),
    "in hex": lambda number, rng: card(number).hex().encode(),
    "xml": lambda number, rng: transfer(number),
    "amount no digits": _card(de4="00000000A250"),
    "amount negative": _card(de4="-00000001250"),
    "amount of nines": _card(de4="9" * 12),
    "currency unknown": _card(de49="000"),
    "currency blank": _card(de49="   "),
    "time impossible": _card(de7="1399999999"),
    "time of February 29": _card(de7="0229120000"),
    "time of zeros": _card(de7="0" * 10),
    "card number of letters": _card(de2="41111111ABCD1111"),
    "card number short": _card(de2="4111"),
    "card number empty": _card(de2=""),
    "merchant category of letters": _card(de18="54AB"),
    "country unknown": _card(de43="x" * 38 + "QQ"),
    "null bytes": _card(de42="\0" * 15),
    "control characters": _card(de41="TERM\x1b[2J"),
    "reversal without its original": lambda number, rng: b"0400" + card(number)[4:],
}
LARGE_CARD_KINDS: Final[dict[str, Make]] = {
    "10 MB after a message": lambda number, rng: card(number) + b"0" * LARGE_BYTES,
    "10 MB of zeros": lambda number, rng: b"0" * LARGE_BYTES,
}


def malformed(count: int, seed: int, kinds: dict[str, Make], large: dict[str, Make]) -> Iterator[tuple[str, bytes]]:
    """(kind, message) of each; one in `LARGE_EVERY` is of a large kind."""
    rng = random.Random(seed)
    names, large_names = list(kinds), list(large)
    for number in range(count):
        if number % LARGE_EVERY == 7:
            kind = large_names[number // LARGE_EVERY % len(large_names)]
            yield kind, large[kind](number, rng)
        else:
            kind = names[number % len(names)]
            yield kind, kinds[kind](number, rng)


def _cut(message: bytes, rng: random.Random) -> bytes:
    return message[: rng.randrange(1, len(message))]


def _changed(message: bytes, rng: random.Random) -> bytes:
    changed = bytearray(message)
    changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)
