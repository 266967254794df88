"""SVG elements as markup. Every attribute and text is escaped."""

from __future__ import annotations

from markupsafe import Markup, escape


def element(tag: str, *children: str, **attributes: object) -> Markup:
    """An element. Names of attributes: `class_` for class, `_` for `-`, except in `viewBox`. Numbers have one decimal.

    >>> element("rect", x=1.25, class_="part", stroke_width=2)
    Markup('<rect x="1.2" class="part" stroke-width="2"></rect>')
    """
    named = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _text(value))
        for name, value in attributes.items()
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{tag}{named}>{inside}</{tag}>").format(tag=Markup(tag), named=named, inside=inside)


def drawing(title: str, width: int, height: int, *children: str, class_: str, has_links: bool = False) -> Markup:
    """A drawing of that many pixels. `title`: what it shows, in words. `has_links`: whether some children are links.

    A screen reader treats an image as one thing, and would hide the links in it; it enters a group.
    """
    return element(
        "svg",
        element("title", title),
        *children,
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="group" if has_links else "img",
        class_=class_,
    )


def _text(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
