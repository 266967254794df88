"""The generated pages of docs/ say what the program says."""

import re

import pytest

from docsite.command_page import command_page
from docsite.metric_page import metric_page
from docsite.reference import reference_pages
from docsite.setting_page import with_setting_tables
from docsite.source import REPOSITORY

PAGES = dict(reference_pages(REPOSITORY))
DASHBOARDS = sorted(path.name for path in (REPOSITORY / "deploy/grafana/dashboards").glob("*.json"))
_METRIC = re.compile(r"\bfraudstream_[a-z0-9_]+\b")


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (REPOSITORY / name).read_text(encoding="utf-8") == PAGES[name], f"{name} is out of date: make reference"


def test_every_metric_that_the_sources_define_is_on_the_page() -> None:
    defined = {
        name
        for path in (REPOSITORY / "fraudstream").rglob("*.py")
        for name in re.findall(r"define\.(?:counter|gauge|histogram)\(\s*\"(\w+)\"", path.read_text(encoding="utf-8"))
    }
    page = metric_page()
    missing = sorted(name for name in defined if not re.search(rf"`fraudstream_{name}(_total)?`", page))
    assert len(defined) > 50
    assert missing == [], "add their process to PROCESSES in docsite/metric_page.py"


@pytest.mark.parametrize(
    "name", ["deploy/prometheus/alerts.yml", *(f"deploy/grafana/dashboards/{name}" for name in DASHBOARDS)]
)
def test_every_metric_of_the_deployment_files_is_on_the_page(name: str) -> None:
    path = REPOSITORY / name
    used = set(_METRIC.findall(path.read_text(encoding="utf-8")))
    shown = set(_METRIC.findall(metric_page()))
    shown |= {f"{name}{suffix}" for name in shown for suffix in ("_bucket", "_sum", "_count")}
    assert sorted(used - shown) == []


def test_the_page_of_commands_has_a_section_for_each_action() -> None:
    titles = re.findall(r"^##+ (fraudstream .*)$", command_page(), re.MULTILINE)
    assert len(titles) == len(set(titles)) > 80
    assert {"fraudstream up", "fraudstream cases close", "fraudstream console user add"} <= set(titles)


def test_a_page_of_settings_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="write both back"):
        with_setting_tables("# Settings\n")
