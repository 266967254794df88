"""Signatures of the records in the payments log that are not payments: controls and labels.

Whoever may publish payments may write any record to their log, and an ACL cannot tell a label from a payment. A
deployment that gives its writers a secret lets workers tell: each control and each label has a header

    signature: KEY_ID:HMAC-SHA256(secret, "fraudstream:KIND:" + value), in hex; KIND is `control` or `label`

Controls and labels have secrets of their own, as other programs write them. The signature covers neither topic nor key,
so that copies of a log, by `fraudstream topics copy` or a mirror, are as good as the log: give each deployment its own
secrets. A control has no key, and the key of a label must be the account that its value names.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from fraudstream.contracts.headers import CONTROL_HEADER, LABEL_HEADER

SIGNATURE_HEADER: Final = "signature"
SECRET_BYTES_MIN: Final = 32
SECRETS_MAX: Final = 20  # each is read at every start

SignedKind = Literal["control", "label"]

_LINE: Final = re.compile(r"([a-z0-9][a-z0-9._-]{0,31})\s+([0-9a-fA-F]+)")


class SignedRecord(Protocol):
    """A record that may have a signature."""

    @property
    def value(self) -> bytes | None:
        """The record value."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Names and values."""


class SigningSecrets:
    """Signs and checks records of one kind. Of several secrets the first signs, and each of them is accepted."""

    def __init__(self, kind: SignedKind, secrets: Mapping[str, bytes]) -> None:
        """`secrets`: by key id, at least one."""
        assert secrets, "a secret is needed to sign"
        self._kind, self._secrets = kind, dict(secrets)
        self._signs_with = next(iter(self._secrets))

    def __repr__(self) -> str:
        """The key ids, without the secrets, as this may be logged."""
        return f"SigningSecrets({self._kind}, {', '.join(self._secrets)})"

    def header(self, value: bytes) -> tuple[str, bytes]:
        """The signature header of a record with this value."""
        mac = self._mac(self._secrets[self._signs_with], value)
        return SIGNATURE_HEADER, f"{self._signs_with}:{mac}".encode()

    def fault(self, record: SignedRecord) -> str | None:
        """Why the record is not signed by one of the secrets, as a sentence; None if it is."""
        signature = dict(record.headers).get(SIGNATURE_HEADER)
        if signature is None:
            return f"The {self._kind} has no signature, and this deployment requires one: see docs/security.md."
        key_id, _, mac = signature.decode(errors="replace").partition(":")
        secret = self._secrets.get(key_id)
        if secret is None:
            known = ", ".join(self._secrets)
            return f"The {self._kind} is signed with the key {key_id[:32]!r}; the worker's secrets are: {known}."
        if not hmac.compare_digest(mac.encode(), self._mac(secret, record.value or b"").encode()):
            return f"The {self._kind}'s signature is not that of its value under the key '{key_id}'."
        return None

    def _mac(self, secret: bytes, value: bytes) -> str:
        return hmac.digest(secret, f"fraudstream:{self._kind}:".encode() + value, "sha256").hex()


class RecordSignatures(NamedTuple):
    """Which records must be signed, and how: those of a kind without secrets need no signature."""

    controls: SigningSecrets | None = None
    labels: SigningSecrets | None = None

    def accepts(self, record: SignedRecord) -> bool:
        """Whether a record of the payments log is none that a worker refuses for its signature."""
        headers = record.headers
        if not headers:
            return True
        if self.controls is not None and CONTROL_HEADER in headers and self.controls.fault(record) is not None:
            return False
        return self.labels is None or LABEL_HEADER not in headers or self.labels.fault(record) is None


NOT_REQUIRED: Final = RecordSignatures()


def parse_secrets(kind: SignedKind, text: str) -> SigningSecrets:
    """The secrets in the text of a file: a line each, `KEY_ID HEX_DIGITS`; empty lines and `#` lines are passed over.

    Raises `ValueError`, whose sentence shows no secret.
    """
    secrets: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        if found is None or len(found[2]) % 2 or len(found[2]) < 2 * SECRET_BYTES_MIN:
            raise ValueError(
                f"line {number} is not a key id and a secret of at least {2 * SECRET_BYTES_MIN} hex digits: make one "
                "with `echo key-1 $(openssl rand -hex 32)`."
            )
        if found[1] in secrets:
            raise ValueError(f"line {number}: the key id '{found[1]}' is there twice.")
        secrets[found[1]] = bytes.fromhex(found[2])
    if not secrets:
        raise ValueError("the file holds no secret.")
    if len(secrets) > SECRETS_MAX:
        raise ValueError(f"the file holds {len(secrets)} secrets: at most {SECRETS_MAX}.")
    return SigningSecrets(kind, secrets)
