"""Digests of text: one at a time or by column, the same everywhere and for ever, for they are stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.digest import MISSING, digest_column, digest_text
from tests.property.profile import EXAMPLES

_texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", "\0", "a\0b", "é", "\0\0"]
)


@EXAMPLES
@given(texts=st.lists(st.none() | _texts, max_size=10))
def test_a_column_has_the_digest_of_each_text(texts: list[str | None]) -> None:
    assert digest_column(texts).tolist() == [digest_text(text or "") for text in texts]


def test_no_text_and_empty_text_are_missing_and_nothing_else_is() -> None:
    assert digest_column([None, "", "a", "\0"]).tolist()[:2] == [MISSING, MISSING]
    assert MISSING not in digest_column(["a", "\0", "\0\0", " ", "é"]).tolist()


def test_the_separator_inside_a_text_does_not_split_it() -> None:
    assert digest_column(["a\0b", "c"]).tolist() == [digest_text("a\0b"), digest_text("c")]
    assert digest_column(["a\0b"]).tolist() != digest_column(["a", "b"]).tolist()


def test_digests_are_those_that_saved_states_hold() -> None:
    """FNV-1a of 'a' is 0xaf63dc4c8601ec8c in its authors' test vectors; the finaliser is applied to that."""
    value, mask = 0xAF63DC4C8601EC8C, (1 << 64) - 1
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ (value >> 33)) * factor & mask
    assert digest_text("a") == value ^ (value >> 33)


def test_like_texts_differ_in_both_halves() -> None:
    """Slots keep the lower half only."""
    digests = digest_column([f"acc-{number:06d}" for number in range(20_000)]).tolist()
    assert len({digest & 0xFFFFFFFF for digest in digests}) >= 19_998  # 20,000 of 2**32: 0.05 collisions are due
    assert len({digest >> 32 for digest in digests}) >= 19_998
