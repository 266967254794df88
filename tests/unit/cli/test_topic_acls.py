"""`fraudstream topics acls`, without a cluster."""

from __future__ import annotations

import json

import pytest

from fraudstream.cli.main import main


def test_the_table_names_each_part_with_its_user(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--part", "cases", "--part", "publisher", "--principal", "cases=fraud-cases", "--set", "cases.group=mine"]
    assert main(["topics", "acls", *flags]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["cases", "User:fraud-cases", "transactional", "id", "mine-*", "WRITE"] in lines
    assert ["cases", "User:fraud-cases", "topic", "cases", "READ,", "WRITE"] in lines
    assert [line for line in lines if line[0] == "publisher"] == [
        ["publisher", "User:fraudstream-publisher", "topic", "payments", "WRITE"]
    ]


def test_a_bridge_without_a_source_is_said_to_need_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "acls", "--part", "bridge"]) == 0
    assert "set bridge.source_topic" in capsys.readouterr().out
    assert main(["topics", "acls", "--part", "bridge", "--set", "bridge.source_topic=bank"]) == 0
    printed = capsys.readouterr().out
    assert "bank" in printed
    assert "set bridge.source_topic" not in printed


def test_json_has_names_as_the_cluster_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "acls", "--part", "webhooks", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {
        "operation": "READ",
        "resource": "group",
        "name": "fraudstream-webhooks-",
        "prefixed": True,
        "when": None,
    } in (row["acls"])


def test_commands_say_in_which_case_one_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "acls", "--part", "worker", "--commands"]) == 0
    lines = capsys.readouterr().out.splitlines()
    comment = lines.index("# where payments ask for answers there:")
    assert all(line.startswith("kafka-acls.sh ") for line in lines[:comment])
    assert lines[comment + 1].endswith("--topic replies")


@pytest.mark.parametrize("flags", [["--part", "casse"], ["--principal", "casse=User:x"]])
def test_an_unknown_part_is_named(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "acls", *flags]) == 1
    assert "casse" in capsys.readouterr().err
