"""The check of the built site finds what a reader or a browser would."""

from pathlib import Path

import pytest

from docsite.built import faults_of

GOOD = '<head><link href="s.css"><script src="j.js"></script></head><h1 id="a">A</h1><a href="#a">1</a>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "s.css").write_text("")
    (tmp_path / "j.js").write_text("")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/b.html").write_text(
        '<a href="../index.html#a">A</a><a href="https://example.org/x">elsewhere</a>'
    )
    (tmp_path / "index.html").write_text(GOOD + '<a href="docs/b.html">b</a>')
    return tmp_path


def test_a_whole_site_has_no_faults(site: Path) -> None:
    assert faults_of(site) == []


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="gone.html">', "links to gone.html, which is not there."),
        ('<a href="docs/">', "links to docs/, which is not there."),
        ('<img src="gone.png">', "links to gone.png, which is not there."),
        ('<a href="index.html#gone">', "links to index.html#gone, a place that the page does not have."),
        ('<a href="#gone">', "links to #gone, a place that the page does not have."),
        ('<script src="https://cdn.example.org/a.js">', "loads https://cdn.example.org/a.js from another server."),
        ('<link href="//fonts.example.org/a.css">', "loads //fonts.example.org/a.css from another server."),
    ],
)
def test_each_fault_is_named_with_its_page(site: Path, html: str, fault: str) -> None:
    (site / "docs/c.html").write_text(html.replace("index.html", "../index.html"))
    fault = fault.replace("index.html", "../index.html")
    assert faults_of(site) == [f"docs/c.html: {fault}"]


def test_a_directory_without_pages_is_a_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path) == [f"{tmp_path} has no pages."]
