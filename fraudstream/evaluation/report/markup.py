"""Text of HTML and SVG: every value is escaped where it enters, and numbers are written for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from fraudstream.contracts.currency import EXPONENTS, amount_text
from fraudstream.contracts.timestamps import utc
from fraudstream.evaluation.payments import DAY_MS


class Markup(str):
    """Text that is escaped already. What is joined with `+` is a plain `str` again, and would be escaped."""

    __slots__ = ()


NONE = "–"


def text(value: object) -> Markup:
    """A value as escaped text."""
    return Markup(escape(str(value)))


def join(parts: Iterable[Markup]) -> Markup:
    """Parts one after the other, a line each."""
    return Markup("\n".join(parts))


def element(name: str, content: Markup | str = "", **attributes: object) -> Markup:
    """An element. `content`: is escaped unless it is `Markup`. Attributes are escaped; `_` in a name becomes `-`, and a
    trailing one is dropped (`class_`)."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    inner = content if isinstance(content, Markup) else escape(content)
    return Markup(f"<{name}{given}>{inner}</{name}>")


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers_from: int = 1) -> Markup:
    """A table. Columns from `numbers_from` on are numbers, aligned to the right."""

    def row(cells: Sequence[object], name: str) -> Markup:
        return element(
            "tr",
            Markup(
                "".join(
                    element(name, text(cell), **({"class_": "number"} if at >= numbers_from else {}))
                    for at, cell in enumerate(cells)
                )
            ),
        )

    body = join(row(cells, "td") for cells in rows)
    return element(
        "div",
        element("table", Markup(element("thead", row(head, "th")) + element("tbody", body))),
        class_="wide",
    )


def share(value: float | None, decimals: int = 1) -> str:
    """A share as percent.

    >>> share(0.0123), share(None)
    ('1.2 %', '–')
    """
    return NONE if value is None else f"{value * 100:.{decimals}f} %"


def measure(value: float | None) -> str:
    """A measure from 0 to 1 with three decimals."""
    return NONE if value is None else f"{value:.3f}"


def score_text(value: float) -> str:
    """A score, with as many decimals as it needs, at most six.

    >>> score_text(0.5), score_text(0.000123456)
    ('0.5', '0.000123')
    """
    return f"{value:.6f}".rstrip("0").rstrip(".")


def count(value: float) -> str:
    """A count with separators; a decimal if it is no whole number.

    >>> count(1234), count(2.25)
    ('1,234', '2.2')
    """
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def money(amount_minor: int, currency: str) -> str:
    """An amount in major units without decimals, rounded down.

    >>> money(1_234_567, "EUR")
    'EUR 12,345'
    """
    if currency not in EXPONENTS:
        return f"{currency} {amount_minor:,}"
    whole = int(amount_text(amount_minor, currency).split(".")[0])
    return f"{currency} {whole:,}"


def day_text(day: int) -> str:
    """A day since the epoch as a date.

    >>> day_text(0)
    '1970-01-01'
    """
    return f"{utc(day * DAY_MS):%Y-%m-%d}"
