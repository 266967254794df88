"""The commands of each tutorial, run in order as a reader would, do what the page says; commands of other pages that
only show something run as they are written.

Limits: the browser's part of the analyst's tutorial is tested with the console; `make up` itself with `up`.
"""

import json
import shutil
import sys

import pytest

from docsite.shell import page_commands
from docsite.source import REPOSITORY, read_pages
from tests.integration.tutorials.tutorial import RunningUp, run_page, run_words

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.skipif(not (REPOSITORY / ".venv/bin/activate").exists(), reason="the pages use .venv: make install"),
]
SHOWING = (
    *("config", "rules check", "rules test", "rules active", "rules reference", "lists show", "cases list"),
    *("dead-letters list", "audit list", "audit export", "audit verify --json"),
    *("console user list", "console token list", "console team list"),
)
NOT_HERE = ("/etc/", "--config", "--bootstrap-servers", "…")  # files and servers of a reader
HAS_JAVA = shutil.which("java") is not None and shutil.which("mvn") is not None


def test_the_payment_engineer_reads_decisions_repeats_and_refusals(up: RunningUp) -> None:
    outputs = run_page("docs/tutorials/first-payment.md", up, without=None if HAS_JAVA else "mvn ")
    _, first, twice, wrong, explained, *java = outputs
    assert json.loads(first)["outcome"] in ("allow", "review", "block")
    once, again = (json.loads(text) for text in twice.replace("}\n{", "}\f{").split("\f"))
    assert (again["outcome"], again["score"]) == (once["outcome"], once["score"])
    assert again["repeat"]
    assert again["altered"]
    decoder = json.JSONDecoder()
    unjudged, end = decoder.raw_decode(wrong)
    assert (unjudged["outcome"], unjudged["reason"]) == ("unjudged", "amount")
    assert "$.amount: amount '12,50' is not a decimal amount" in wrong[end:]
    assert "Decided again, the decision is the same as was sent, byte for byte." in explained
    if HAS_JAVA:
        decision = java[0][java[0].index("{") :]  # Maven writes colours before it
        assert json.loads(decision)["outcome"] in ("allow", "review", "block")


def test_the_analyst_takes_explains_and_closes_a_case(up: RunningUp) -> None:
    queue, shown, _, explained, closed = run_page("docs/tutorials/first-case.md", up)
    assert "SEVERITY" in queue
    assert "new" in shown
    assert "rule set" in explained
    assert "confirmed_fraud" in closed


def test_the_sre_survives_a_killed_worker_changes_rules_and_takes_a_backup(up: RunningUp) -> None:
    settings, health, metrics, taken_over, checked, activated, rolled_back, exported = run_page(
        "docs/tutorials/first-cluster.md", up
    )
    assert "kafka.bootstrap_servers" in settings
    assert "standby for 1 partitions" in health
    assert "fraudstream_lag_records" in metrics
    assert "ok" in taken_over
    assert "is valid" in checked
    assert "is in force" in activated
    assert "partition 0" in rolled_back
    assert "manifest.json" in exported


def test_commands_of_other_pages_that_only_show_something_run_as_written(up: RunningUp) -> None:
    commands = {
        command.words
        for page, text in read_pages(REPOSITORY)
        if page != "CHANGELOG.md" and not page.startswith(("docs/decisions/", "docs/tutorials/"))
        for command in page_commands(text)
        if str(command).startswith(tuple(f"fraudstream {words}" for words in SHOWING))
        and not any(mark in word for word in command.words for mark in NOT_HERE)
    }
    assert len(commands) > 15
    failed = {" ".join(words): why for words, why in run_words(sorted(commands), up).items() if why is not None}
    assert failed == {}
