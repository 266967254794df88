from __future__ import annotations

from typing import NamedTuple

import pytest

from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER
from fraudstream.contracts.record_signature import (
    NOT_REQUIRED,
    SIGNATURE_HEADER,
    RecordSignatures,
    SigningSecrets,
    parse_secrets,
)

OLD, NEW = "11" * 32, "22" * 32
LABELS = SigningSecrets("label", {"new": bytes.fromhex(NEW), "old": bytes.fromhex(OLD)})
VALUE = b'{"event_id":"p1"}'


class Signed(NamedTuple):
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def test_a_signature_is_the_one_that_the_documentation_defines() -> None:
    # printf 'fraudstream:label:{"event_id":"p1"}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:2222...
    mac = b"0721b164d7e1b5483e1e036d88fba81023340848e48c7559389a6089399631f1"
    assert LABELS.header(VALUE) == ("signature", b"new:" + mac)
    assert LABELS.fault(Signed(VALUE, (LABEL_HEADER, LABELS.header(VALUE)))) is None


def test_a_retired_secret_is_accepted_and_the_first_one_signs() -> None:
    retired = SigningSecrets("label", {"old": bytes.fromhex(OLD)})
    assert LABELS.fault(Signed(VALUE, (retired.header(VALUE),))) is None
    fault = retired.fault(Signed(VALUE, (LABELS.header(VALUE),)))
    assert fault == "The label is signed with the key 'new'; the worker's secrets are: old."


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (None, "The label has no signature, and this deployment requires one: see docs/security.md."),
        (b"", "The label is signed with the key ''; the worker's secrets are: new, old."),
        (b"\xff:\xff", "The label is signed with the key '\ufffd'; the worker's secrets are: new, old."),
        (b"new:", "The label's signature is not that of its value under the key 'new'."),
        (b"new:\xff\xc3\xa9", "The label's signature is not that of its value under the key 'new'."),
        (b"old:" + LABELS.header(VALUE)[1][4:], "The label's signature is not that of its value under the key 'old'."),
        (LABELS.header(b"")[1], "The label's signature is not that of its value under the key 'new'."),
        (
            SigningSecrets("control", {"new": bytes.fromhex(NEW)}).header(VALUE)[1],
            "The label's signature is not that of its value under the key 'new'.",
        ),
    ],
)
def test_another_signature_is_refused_with_its_fault(header: bytes | None, fault: str) -> None:
    headers = (LABEL_HEADER,) if header is None else (LABEL_HEADER, (SIGNATURE_HEADER, header))
    assert LABELS.fault(Signed(VALUE, headers)) == fault


def test_only_kinds_with_secrets_need_a_signature() -> None:
    payment, label, control = Signed(VALUE, ()), Signed(VALUE, (LABEL_HEADER,)), Signed(VALUE, (CONTROL_HEADER,))
    both = Signed(VALUE, (CONTROL_HEADER, LABEL_HEADER))
    required = RecordSignatures(labels=LABELS)
    assert [required.accepts(each) for each in (payment, label, control, both)] == [True, False, True, False]
    assert all(NOT_REQUIRED.accepts(each) for each in (payment, label, control, both))
    assert required.accepts(Signed(VALUE, (LABEL_HEADER, LABELS.header(VALUE))))


def test_a_file_names_each_secret_once_and_comments_are_passed_over() -> None:
    parsed = parse_secrets("label", f"# of March\nnew {NEW}\n\n  old\t{OLD}\n")
    assert parsed.header(VALUE) == LABELS.header(VALUE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file holds no secret."),
        (NEW, "line 1 is not a key id and a secret"),
        (f"new {NEW[:-2]}", "line 1 is not a key id and a secret of at least 64 hex digits"),
        (f"new {NEW}0", "line 1 is not a key id and a secret"),
        (f"# \nNew {NEW}", "line 2 is not a key id"),
        (f"new {NEW}\nnew {OLD}", "line 2: the key id 'new' is there twice."),
        ("\n".join(f"k{n} {NEW}" for n in range(21)), "21 secrets: at most 20."),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_without_showing_a_secret(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        parse_secrets("label", text)
    assert NEW[:-2] not in str(raised.value)
    assert OLD not in str(raised.value)


def test_a_logged_secret_shows_its_key_ids_only() -> None:
    shown = repr(RecordSignatures(labels=LABELS))
    assert "new, old" in shown
    assert NEW not in shown
    assert repr(bytes.fromhex(NEW)) not in shown
