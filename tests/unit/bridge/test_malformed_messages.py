"""Messages of many malformed kinds: each gives a payment or a refusal with a path, or is left out by the mapping."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from benchmarks.malformed_messages import CARD_KINDS, XML_KINDS, malformed
from fraudstream.backtest.mapping import load_mapping
from fraudstream.bridge.conversion import Message, MessageConverter
from fraudstream.engine.contract_check import contract_faults
from fraudstream.formats.card_numbers import keyed
from fraudstream.formats.catalogue import FormatServices

PUBLISHED_MS = 1_772_622_001_000
REPEATS = 8  # of each kind: some change or cut a message at random


@pytest.mark.parametrize(("name", "kinds"), [("pacs.008", XML_KINDS), ("iso8583", CARD_KINDS)])
def test_every_message_is_a_payment_or_refused_whatever_comes_with_it(
    name: str, kinds: dict[str, Callable[[int, random.Random], bytes]]
) -> None:
    services = FormatServices(keyed(b"a secret of the tests"))
    converter = MessageConverter([load_mapping(name)], services)
    found = list(malformed(len(kinds) * REPEATS, 3, kinds, kinds))
    together = converter.convert([Message(message, PUBLISHED_MS) for _, message in found])
    for (kind, message), converted in zip(found, together, strict=True):
        assert len(converted.payments) + len(converted.refusals) + converted.excluded == 1, kind
        assert all(refusal.path and refusal.sentence.endswith((".", "?")) for refusal in converted.refusals), kind
        assert contract_faults(converted.payments) == [], kind
        if kind.startswith("valid"):
            assert converted.payments, kind
        assert converter.convert([Message(message, PUBLISHED_MS)]) == [converted], kind
