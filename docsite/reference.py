"""The generated pages of docs/: `python -m docsite.reference` writes those that are out of date (`make reference`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docsite.command_page import command_page
from docsite.contract_page import contract_page
from docsite.metric_page import metric_page
from docsite.rule_page import rule_page
from docsite.setting_page import with_setting_tables
from docsite.source import REPOSITORY


def reference_pages(repository: Path) -> Iterator[tuple[str, str]]:
    """Each generated page as (path from the repository's root, text)."""
    yield "docs/cli.md", command_page()
    yield "docs/metrics.md", metric_page()
    settings = "docs/settings.md"
    yield settings, with_setting_tables((repository / settings).read_text(encoding="utf-8"))
    yield "docs/contracts.md", contract_page(repository / "topics")
    yield "docs/shipped.md", rule_page(repository / "rules")


def main() -> None:
    """Write the pages, and name those that have changed."""
    for name, text in reference_pages(REPOSITORY):
        path = REPOSITORY / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")


if __name__ == "__main__":
    main()
