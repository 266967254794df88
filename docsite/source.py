"""Puts what the site is built from into one directory: `python -m docsite.source build/pages`.

Pages keep their paths, so that a link that works in the repository works on the site. Files that pages link to, such as
`rules/features.yaml`, come along. A link to a directory becomes a link to its page: its README.md, or for the decisions
a list made here.
"""

from __future__ import annotations

import posixpath
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from docsite.markdown import is_local, links, with_links

REPOSITORY: Final = Path(__file__).parents[1]
ROOT_PAGES: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
DECISIONS: Final = "docs/decisions"
STYLES: Final = "docsite/site.css"


class SourceError(Exception):
    """A link that leads to no file of the repository, with the page that holds it."""


def write_source(repository: Path, target: Path) -> None:
    """Write pages and the files they link to into `target`, which is made anew. Raises `SourceError`."""
    pages = dict(read_pages(repository))
    shutil.rmtree(target, ignore_errors=True)
    for name, text in pages.items():
        _write(target / name, with_links(text, lambda link, name=name: _of_page(link, name, repository)))  # type: ignore[misc]
    for name in linked_files(repository, pages):
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(repository / name, destination)
    shutil.copyfile(repository / STYLES, target / "site.css")


def read_pages(repository: Path) -> Iterator[tuple[str, str]]:
    """Each page as (path from the repository's root, Markdown text): those of docs/, and those at the root."""
    names = [*ROOT_PAGES, *(path.relative_to(repository).as_posix() for path in repository.glob("docs/**/*.md"))]
    for name in sorted(names):
        yield name, (repository / name).read_text(encoding="utf-8")
    yield f"{DECISIONS}/README.md", _decision_list(repository)


def linked_files(repository: Path, pages: Mapping[str, str]) -> list[str]:
    """Files of the repository, beside the pages, that pages link to. Raises `SourceError` on a link to nothing."""
    named = set()
    for page, text in pages.items():
        for link in filter(is_local, links(text)):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link.partition("#")[0]))
            if (repository / path).is_dir():
                path = f"{path}/README.md"
            if path in pages:
                continue
            if path.startswith("..") or not (repository / path).is_file():
                raise SourceError(f"{page}: links to {link}; the repository has no file {path}. Correct the link.")
            named.add(path)
    return sorted(named)


def _of_page(link: str, page: str, repository: Path) -> str:
    """The link as the site needs it."""
    if is_local(link):
        path, mark, place = link.partition("#")
        if (repository / posixpath.dirname(page) / path).is_dir():
            return f"{path.rstrip('/')}/README.md{mark}{place}"
    return link


def _decision_list(repository: Path) -> str:
    rows = ["# Decisions", "", "Why things are as they are, in the order in which they were decided.", ""]
    for path in sorted((repository / DECISIONS).glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        rows.append(f"- [{title}]({path.name})")
    return "\n".join(rows) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        write_source(REPOSITORY, Path(sys.argv[1]))
    except SourceError as error:
        sys.exit(f"docsite: {error}")
