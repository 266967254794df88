"""SipHash-2-4 against the vectors that its authors published: key 00 01 … 0f, texts of the bytes 00 01 … of each length
from 0 to 63 (vectors_sip64 in vectors.h of the reference implementation)."""

from __future__ import annotations

import numpy as np
import pytest

from fraudstream.engine.siphash import hash_between, hash_bytes, padded

KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
_PUBLISHED = bytes.fromhex(
    "310e0edd47db6f72fd67dc93c539f8745a4fa9d909806c0d2d7efbd796666785b7877127e09427cf8da699cd64557618"
    "cee3fe586e46c9cb37d1018bf50002ab6224939a79f5f593b0e4a90bdf82009ef3b9dd94c5bb5d7aa7ad6b22462fb3f4"
    "fbe50e86bc8f1e75903d84c02756ea14eef27a8e90ca23f7e545be4961ca29a1db9bc2577fcc2a3f9447be2cf5e99a69"
    "9cd38d96f0b3c14bbd6179a71dc96dbb98eea21af25cd6bec7673b2eb0cbf2d0883ea3e395675393c8ce5ccd8c030ca8"
    "94af49f6c650adb8eab8858ade92e1bcf315bb5bb835d817adcf6b0763612e2fa5c91da7acaa4dde716595876650a2a6"
    "28ef495c53a387ad42c341d8fa92d832ce7cf2722f512771e37859f94623f3a7381205bb1ab0e012ae97a10fd434e015"
    "b4a31508beff4d3181396229f09079024d0cf49ee5d4dcca5c73336a76d8bf9ad0a704536ba93e0e925958fcd6420cad"
    "a915c29bc8067318952b79f3bc0aa6d4f21df2e41d4535f987577519048f53a910a56cf5dfcd9adbeb75095ccd986cd0"
    "51a9cb9ecba312e696afadfc2ce666c772fe52975a4364ee5a1645b276d592a1b274cb8ebf87870a6f9bb4203de7b381"
    "eaecb2a30b22a87f9924a43cc1315724bd838d3aafbf8db70b1a2a3265d51aea135079a3231ce660932b2846e4d70666"
    "e1915f5cb1eca46cf325965ca16d629f575ff28e60381be5724506eb4c328a95"
)
VECTORS = np.frombuffer(_PUBLISHED, "<u8").tolist()


def test_all_published_vectors_are_there() -> None:
    assert len(VECTORS) == 64


@pytest.mark.parametrize("length", range(64))
def test_both_implementations_give_the_published_vectors(length: int) -> None:
    data = bytes(range(length))
    assert hash_bytes(data, *KEY) == VECTORS[length]
    low, high = map(np.uint64, KEY)
    for start in range(9):  # texts of a column begin at any offset
        around = padded(b"\xff" * start + data + b"\xff")
        assert int(hash_between(around, start, start + length, low, high)) == VECTORS[length]


def test_padding_leaves_room_for_two_words() -> None:
    for length in range(20):
        data = padded(b"\xff" * length)
        assert len(data) % 8 == 0
        assert len(data) - length >= 8
        assert data[:length].tolist() == [255] * length
        assert not data[length:].any()
