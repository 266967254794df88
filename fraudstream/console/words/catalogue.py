"""Reads the catalogues, and chooses one for a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import yaml
from markupsafe import Markup, escape

from fraudstream.console.shown_text import value_markup

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh-Hans": "简体中文"}
DEFAULT_LANGUAGE: Final = "en"


class Words:
    """The words of one language. `language`: its code, as in HTML's `lang`. An unknown key raises `KeyError`."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts
        self._markup: dict[str, Markup] = {}  # of texts without values, made once

    @property
    def keys(self) -> frozenset[str]:
        """Every key."""
        return frozenset(self._texts)

    def has(self, key: str) -> bool:
        """Whether there is a text for `key`."""
        return key in self._texts

    def text(self, key: str, **values: object) -> str:
        """The text with its values, unescaped. With the value `count`, the text of `key.one` if that is 1 and exists.

        >>> Words("en", {"alerts": "{count} alerts", "alerts.one": "1 alert"}).text("alerts", count=1)
        '1 alert'
        """
        return self._chosen(key, values).format(**values)

    def markup(self, key: str, **values: object) -> Markup:
        """The text, escaped, its values each in a `<bdi>` with invisible characters shown."""
        if not values:
            found = self._markup.get(key)
            return found if found is not None else self._markup.setdefault(key, escape(self._texts[key]).format())
        shown = {name: value if isinstance(value, Markup) else value_markup(value) for name, value in values.items()}
        return escape(self._chosen(key, values)).format(**shown)

    def _chosen(self, key: str, values: Mapping[str, object]) -> str:
        one = f"{key}.one"
        return self._texts[one if values.get("count") == 1 and one in self._texts else key]


@cache
def words_of(language: str) -> Words:
    """The words of one of `LANGUAGES`."""
    document = yaml.safe_load((Path(__file__).parent / f"{language}.yaml").read_text(encoding="utf-8"))
    return Words(language, dict(_flat(document, "")))


def chosen_language(cookie: str | None, accepted: str | None) -> str:
    """One of `LANGUAGES`: what the cookie names, else the first of `Accept-Language` that there is.

    >>> chosen_language(None, "fr;q=0.9, zh-CN, en;q=0.5"), chosen_language("en", "zh"), chosen_language("xx", None)
    ('zh-Hans', 'en', 'en')
    """
    if cookie is not None and cookie in LANGUAGES:
        return cookie
    for code in _by_preference(accepted or ""):
        primary = code.partition("-")[0].lower()
        for language in LANGUAGES:
            if language.partition("-")[0] == primary:
                return language
    return DEFAULT_LANGUAGE


def _by_preference(accepted: str) -> list[str]:
    weighted = []
    for part in accepted.split(",")[:20]:
        code, _, weight = part.strip().partition(";q=")
        try:
            weighted.append((-float(weight or 1), code))
        except ValueError:
            continue
    return [code for _, code in sorted(weighted, key=lambda pair: pair[0])]


def _flat(node: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
