"""The catalogues of words: every language has every text, with the same values."""

from __future__ import annotations

import re
from string import Formatter
from typing import get_args

import pytest

from fraudstream.cases.refusal import RefusalCode
from fraudstream.console.access.roles import ROLES
from fraudstream.console.past import KINDS, Missing
from fraudstream.console.queue_order import ORDERS
from fraudstream.console.queue_query import STATUS_FILTERS
from fraudstream.console.web.rendering import STATIC_DIRECTORY
from fraudstream.console.words.catalogue import LANGUAGES, Words, words_of
from fraudstream.contracts import Payment
from fraudstream.contracts.case_values import ActionName, Disposition
from fraudstream.contracts.fields import SEVERITIES, Direction, LabelName, Outcome

CODE = STATIC_DIRECTORY.parent
ONE = ".one"
SHOWN_OTHERWISE = {"event_id", "occurred_at", "amount", "currency", "schema_version"}  # columns of their own


def values_of(words: Words, key: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(words._texts[key]) if name}


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_a_language_has_the_texts_of_english_with_the_same_values(language: str) -> None:
    english, words = words_of("en"), words_of(language)
    needed = {key for key in english.keys if not key.endswith(ONE)}
    assert {key for key in words.keys if not key.endswith(ONE)} == needed
    assert {key for key in needed if values_of(words, key) != values_of(english, key)} == set()


def test_every_name_that_pages_show_has_a_text() -> None:
    named = {
        "role": ROLES,
        "status": STATUS_FILTERS,
        "severity": SEVERITIES,
        "order": ORDERS,
        "outcome": get_args(Outcome),
        "disposition": get_args(Disposition),
        "action": get_args(ActionName),
        "done": get_args(ActionName),
        "refusal": get_args(RefusalCode),
        "entity": KINDS,
        "missing": get_args(Missing),
        "label": get_args(LabelName),
        "total": get_args(Direction),
        "field": {*Payment.__struct_fields__, "account_id"} - SHOWN_OTHERWISE,
    }
    missing = {f"{kind}.{name}" for kind, names in named.items() for name in names} - words_of("en").keys
    assert missing == set()


def test_every_text_is_used_and_every_key_exists() -> None:
    sources = "\n".join(path.read_text() for path in [*CODE.rglob("*.html"), *CODE.rglob("*.py")])
    used = set(re.findall(r"""["']([a-z_]+(?:\.[a-z_]+)+)["']""", sources))
    groups = tuple(set(re.findall(r"""["']([a-z_]+\.)(?:["'] ~|\{)""", sources)) | {"case.missing_"})
    known = {key for key in words_of("en").keys if not key.endswith(ONE)}
    assert {key for key in known - used if not key.startswith(groups)} == set()


def test_values_are_isolated_and_escaped() -> None:
    words = Words("en", {"x": "by <b> {name}"})
    assert words.markup("x", name="<i>\u202e") == ('by &lt;b&gt; <bdi>&lt;i&gt;<span class="code">U+202E</span></bdi>')
