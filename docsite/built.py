"""Checks the built site: `python -m docsite.built build/site`.

Each link, image, style and script leads to a file of the site, each anchor to an element, and nothing that a browser
loads by itself is on another server.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_LOADED: Final = {"audio", "embed", "iframe", "img", "link", "script", "source", "video"}
NOT_FOUND_PAGE: Final = "404.html"  # served under any path, so that its links begin at the site's root


class Page(HTMLParser):
    """An HTML page's ids, and the targets it names: of each, whether the browser loads it by itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            if name in ("href", "src") and value:
                self.targets.append((value, tag in _LOADED))


def faults_of(site: Path) -> list[str]:
    """Everything wrong with the site, a sentence each."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    faults = [] if pages else [f"{site} has no pages."]
    for path, page in sorted(pages.items()):
        name = path.relative_to(site).as_posix()
        if name != NOT_FOUND_PAGE:
            faults += [f"{name}: {fault}" for fault in _page_faults(path, page, pages)]
    return faults


def _page_faults(path: Path, page: Page, pages: Mapping[Path, Page]) -> Iterator[str]:
    for target, is_loaded in page.targets:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            if is_loaded and parts.scheme != "data":
                yield f"loads {target} from another server."
            continue
        found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if found.is_dir():
            found /= "index.html"
        if not found.is_file():
            yield f"links to {target}, which is not there."
        elif parts.fragment and found in pages and unquote(parts.fragment) not in pages[found].ids:
            yield f"links to {target}, a place that the page does not have."


def main(site: Path) -> int:
    """Print what is wrong; 1 if anything is."""
    faults = faults_of(site.resolve())
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
