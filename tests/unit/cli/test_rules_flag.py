"""Every command that reads a directory of rules takes it as `--rules DIR`."""

import pytest

from fraudstream.cli.main import main

COMMANDS = [
    *(("rules", action) for action in ("new", "check", "test", "activate", "active")),
    *(("lists", action) for action in ("add", "remove", "show")),
    *(("state", action) for action in ("export", "import")),
    ("topics", "apply"),
    ("topics", "check"),
    ("replay",),
    ("worker",),
    ("up",),
    ("explain",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_directory_of_rules_is_named_in_one_way(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    assert "--rules DIR" in capsys.readouterr().out
