"""What the site is built from: every page, every file that a page links to, and nothing that leads nowhere."""

from pathlib import Path

import pytest
import yaml

from docsite.markdown import CodeBlock, code_blocks, links, with_links
from docsite.source import REPOSITORY, SourceError, linked_files, read_pages, write_source


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    written(root / "README.md", "# R\n[d](docs/a.md#one) `[no](gone.md)`\n```\n[no](gone.md)\n```\n")
    written(root / "CONTRIBUTING.md", "[why](docs/decisions/)")
    written(root / "CHANGELOG.md", "# C")
    written(root / "docs/a.md", "# A\n## One\n[rules](../rules/features.yaml) [why](decisions/) ![p](images/p.png)")
    written(root / "docs/images/p.png", "PNG")
    written(root / "docs/decisions/0001-first.md", "# 1. First\n")
    written(root / "docs/decisions/0002-second.md", "# 2. Second\n")
    written(root / "rules/features.yaml", "version: 1\n")
    written(root / "rules/unused.yaml", "version: 1\n")
    written(root / "docsite/site.css", "body {}")
    return root


def test_pages_keep_their_paths_and_bring_the_files_that_they_link_to(repository: Path, tmp_path: Path) -> None:
    written(tmp_path / "pages/old.md", "of a former build")
    write_source(repository, tmp_path / "pages")
    found = {path.relative_to(tmp_path / "pages").as_posix() for path in (tmp_path / "pages").rglob("*.*")}
    assert found == {
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "site.css", "rules/features.yaml", "docs/a.md"),
        *("docs/images/p.png", "docs/decisions/README.md", "docs/decisions/0001-first.md"),
        "docs/decisions/0002-second.md",
    }


def test_a_link_to_a_directory_becomes_one_to_its_page(repository: Path, tmp_path: Path) -> None:
    write_source(repository, tmp_path / "pages")
    assert "[why](decisions/README.md)" in (tmp_path / "pages/docs/a.md").read_text()
    assert "[why](docs/decisions/README.md)" in (tmp_path / "pages/CONTRIBUTING.md").read_text()
    decisions = (tmp_path / "pages/docs/decisions/README.md").read_text()
    assert decisions.endswith("- [1. First](0001-first.md)\n- [2. Second](0002-second.md)\n")


@pytest.mark.parametrize("link", ["gone.md", "../../outside.md", "../rules", "images/q.png#x"])
def test_a_link_to_nothing_is_refused_with_its_page(repository: Path, tmp_path: Path, link: str) -> None:
    written(repository / "docs/a.md", f"[x]({link})")
    with pytest.raises(SourceError, match=r"docs/a\.md: links to"):
        write_source(repository, tmp_path / "pages")


def test_links_in_code_are_not_links() -> None:
    text = 'a [b](c.md) ![d](e.png "title") `[f](g.md)`\n```\n[h](i.md)\n```\n[j](k.md#l)'
    assert links(text) == ["c.md", "e.png", "k.md#l"]
    assert with_links(text, str.upper) == text.replace("c.md", "C.MD").replace("e.png", "E.PNG").replace(
        "k.md#l", "K.MD#L"
    )


def test_a_block_of_code_knows_its_language_and_its_line() -> None:
    text = "a\n\n```sh\none\n```\n1. item\n   ```\n   two\n     three\n   ```\n"
    assert list(code_blocks(text)) == [CodeBlock("sh", "one\n", 4), CodeBlock("", "two\n  three\n", 8)]


def test_the_repository_has_no_link_to_nothing() -> None:
    assert "rules/features.yaml" in linked_files(REPOSITORY, dict(read_pages(REPOSITORY)))


def test_the_navigation_names_every_page_but_the_decisions_once() -> None:
    navigation = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    named = list(named_pages(navigation))
    due = {name for name, _ in read_pages(REPOSITORY) if not name.startswith("docs/decisions/0")}
    assert len(named) == len(set(named))
    assert set(named) == due, "name each page of docs/ under `nav` in mkdocs.yml"


def named_pages(node: object) -> list[str]:
    if isinstance(node, str):
        return [node]
    parts = node.values() if isinstance(node, dict) else node
    assert not isinstance(parts, str)
    return [page for part in parts for page in named_pages(part)]  # type: ignore[attr-defined]
