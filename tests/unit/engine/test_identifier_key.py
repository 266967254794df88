"""The key that a deployment's secret gives, and that verdicts do not depend on it."""

from __future__ import annotations

import pytest

from fraudstream.engine.aggregates.code_tables import tells_codes_apart
from fraudstream.engine.digest import PUBLIC_KEY, DigestKey
from fraudstream.engine.identifier_key import PUBLIC_SECRET, key_of, parse_secret

SECRETS = [number.to_bytes(16, "big") for number in range(150)]


def test_a_secret_is_its_key_unless_standard_texts_would_share_a_code() -> None:
    same = 0
    for secret in SECRETS:
        key = key_of(secret)
        assert tells_codes_apart(key)
        assert key == key_of(secret)
        same += key == DigestKey(int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:], "little"))
    assert 140 <= same < len(SECRETS)  # one in forty is replaced


def test_every_secret_has_a_fingerprint_of_its_own_that_does_not_tell_it() -> None:
    fingerprints = [key_of(secret).fingerprint for secret in SECRETS]
    assert len(set(fingerprints)) == len(SECRETS)
    assert fingerprints[0] != SECRETS[0].hex()[:16]


def test_without_a_secret_the_key_is_the_public_one() -> None:
    assert key_of(None) == key_of(PUBLIC_SECRET) == PUBLIC_KEY
    assert PUBLIC_KEY.fingerprint == "1278314e678facbb"  # saved in the states of demonstrations


@pytest.mark.parametrize("text", ["ab" * 16, "AB" * 16 + "\n", " " + "0f" * 16 + "\r\n"])
def test_a_secret_is_32_hex_digits(text: str) -> None:
    assert parse_secret(text) == bytes.fromhex(text.strip())


@pytest.mark.parametrize("text", ["", "ab", "ab" * 15, "ab" * 17, "zz" * 16, "ab " * 16, "é" * 32])
def test_anything_else_is_refused_with_how_to_make_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"an identifier secret is 32 hex digits; .* `openssl rand -hex 16`"):
        parse_secret(text)


def test_a_secret_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has 16 bytes, not 15"):
        key_of(b"x" * 15)
