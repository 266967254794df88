"""Digests of text: one at a time or by column, the same everywhere for one key, and unpredictable without it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.digest import MISSING, PUBLIC_KEY, DigestKey, digest_column, digest_text
from fraudstream.engine.siphash import hash_bytes
from tests.property.profile import EXAMPLES

OTHER_KEY = DigestKey(1, 2)

_texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", "\0", "a\0b", "é", "\0\0", "x" * 7, "x" * 8, "x" * 9, "x" * 16, "x" * 300]
)
_keys = st.builds(DigestKey, st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))


@EXAMPLES
@given(texts=st.lists(st.none() | _texts, max_size=10), key=_keys)
def test_a_column_has_the_digest_of_each_text(texts: list[str | None], key: DigestKey) -> None:
    assert digest_column(texts, key).tolist() == [digest_text(text or "", key) for text in texts]


def test_no_text_and_empty_text_are_missing_and_nothing_else_is() -> None:
    assert digest_column([None, "", "a", "\0"], PUBLIC_KEY).tolist()[:2] == [MISSING, MISSING]
    assert MISSING not in digest_column(["a", "\0", "\0\0", " ", "é"], PUBLIC_KEY).tolist()


def test_the_separator_inside_a_text_does_not_split_it() -> None:
    expected = [digest_text("a\0b", PUBLIC_KEY), digest_text("c", PUBLIC_KEY)]
    assert digest_column(["a\0b", "c"], PUBLIC_KEY).tolist() == expected
    assert digest_column(["a\0b"], PUBLIC_KEY).tolist() != digest_column(["a", "b"], PUBLIC_KEY).tolist()


def test_digests_are_those_that_saved_states_hold() -> None:
    """SipHash-2-4 of the text's UTF-8 bytes."""
    assert digest_text("é", PUBLIC_KEY) == hash_bytes("é".encode(), *PUBLIC_KEY)


def test_another_key_gives_every_text_another_digest() -> None:
    texts = [f"acc-{number:06d}" for number in range(20_000)]
    assert not (digest_column(texts, PUBLIC_KEY) == digest_column(texts, OTHER_KEY)).any()
    assert PUBLIC_KEY.fingerprint != OTHER_KEY.fingerprint


def test_texts_that_collided_without_a_key_do_not_collide_with_one() -> None:
    """Digests were once FNV-1a, for which anyone can find such pairs."""
    for one, other in (
        ("8yn0iYCKYHlIj4-BwPqk", "GReLUrM4wMqfg9yzV3KQ"),
        ("gMPflVXtwGDXbIhP73TX", "LtHf1prlU1bCeYZEdqWf"),
    ):
        assert _fnv_1a(one) == _fnv_1a(other)
        assert digest_text(one, PUBLIC_KEY) != digest_text(other, PUBLIC_KEY)


def test_like_texts_differ_in_both_halves() -> None:
    """Slots keep the lower half only."""
    digests = digest_column([f"acc-{number:06d}" for number in range(20_000)], PUBLIC_KEY).tolist()
    assert len({digest & 0xFFFFFFFF for digest in digests}) >= 19_998  # 20,000 of 2**32: 0.05 collisions are due
    assert len({digest >> 32 for digest in digests}) >= 19_998


def _fnv_1a(text: str) -> int:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return value
