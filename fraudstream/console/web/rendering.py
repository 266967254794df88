"""Templates to responses: escaped by default, in the visitor's language, with what every page has."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fraudstream.console.access.csrf import masked_token
from fraudstream.console.case_buttons import KEYS
from fraudstream.console.shown_text import grouped, plain_value, prose_markup, value_markup
from fraudstream.console.web.console import console_of
from fraudstream.console.web.cookies import LANGUAGE, THEME
from fraudstream.console.web.visitors import REFRESH_HEADER, Visitor
from fraudstream.console.words.catalogue import LANGUAGES, Words, chosen_language, words_of
from fraudstream.contracts.timestamps import utc, utc_text

_PACKAGE: Final = Path(__file__).parents[1]
STATIC_DIRECTORY: Final = _PACKAGE / "static"
THEMES: Final = ("dark", "light")
_TIME_CHARACTERS: Final = len("2026-11-30 10:08:16")


def static_version() -> str:
    """Digest of the static files. It is a directory of their URLs, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(STATIC_DIRECTORY.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


STATIC_PATH: Final = f"/static/{static_version()}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PACKAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "value": value_markup,
        "prose": prose_markup,
        "plain": plain_value,
        "grouped": grouped,
        "shell": shlex.quote,
    }
    environment.globals |= {
        "languages": LANGUAGES,
        "static": STATIC_PATH,
        "case_keys": KEYS,
    }
    return environment


_TEMPLATES: Final = _environment()


def words_for(request: Request) -> Words:
    """The words of the visitor's language."""
    return words_of(chosen_language(request.cookies.get(LANGUAGE), request.headers.get("accept-language")))


def page(
    request: Request, template: str, visitor: Visitor | None, values: Mapping[str, object], status: int = 200
) -> HTMLResponse:
    """The page that `template` makes of `values`, in the visitor's language and theme. Where a page asks for a newer
    copy of itself, what is around its main part is left out."""
    console, words, clock = console_of(request), words_for(request), clock_for(request)
    theme = request.cookies.get(THEME)
    text = _TEMPLATES.get_template(template).render(
        layout="fresh.html" if REFRESH_HEADER in request.headers else "base.html",
        words=words,
        t=words.markup,
        visitor=visitor,
        csrf=None if visitor is None else masked_token(visitor.session.csrf_secret),
        theme=theme if theme in THEMES else None,
        path=request.url.path,
        instance=console.live.instance,
        sequence=console.live.sequence,
        state=console.live.state,
        audit_failing=console.audit.is_failing,
        time=clock.time,
        time_text=clock.time_text,
        age=clock.age,
        left=clock.left,
        zone=console.settings.zone.key,
        **values,
    )
    return HTMLResponse(text, status)


def fragment(template: str, words: Words, **values: object) -> str:
    """A part of a page."""
    return _TEMPLATES.get_template(template).render(words=words, t=words.markup, **values)


def clock_for(request: Request) -> PageClock:
    """The clock of the page that the request asks for."""
    console = console_of(request)
    return PageClock(console.settings.zone, console.now_ms(), words_for(request))


class PageClock:
    """Times on one page. `now_ms`: when the page is made."""

    def __init__(self, zone: ZoneInfo, now_ms: int, words: Words) -> None:
        self._zone, self._now_ms, self._words = zone, now_ms, words

    def time(self, at_ms: int) -> Markup:
        """A time in the zone of the console, as a `<time>` element."""
        text = self.time_text(at_ms)
        return value_markup(text) if text == str(at_ms) else Markup(f'<time datetime="{utc_text(at_ms)}">{text}</time>')

    def time_text(self, at_ms: int) -> str:
        """The same as text alone; the number itself where no calendar has the time."""
        try:
            local: datetime = utc(at_ms).astimezone(self._zone)
        except OverflowError:
            return str(at_ms)
        return local.isoformat(" ", "seconds")[:_TIME_CHARACTERS]

    def age(self, at_ms: int) -> str:
        """How long ago it was, in its largest unit, rounded down."""
        return self._span(self._now_ms - at_ms)

    def left(self, at_ms: int) -> str:
        """How long it is until then, in its largest unit, rounded down."""
        return self._span(at_ms - self._now_ms)

    def _span(self, span_ms: int) -> str:
        minutes = max(span_ms, 0) // 60_000
        if minutes < 1:
            return self._words.text("age.now")
        if minutes < 120:
            return self._words.text("age.minutes", count=minutes)
        if minutes < 48 * 60:
            return self._words.text("age.hours", count=minutes // 60)
        return self._words.text("age.days", count=minutes // (24 * 60))
