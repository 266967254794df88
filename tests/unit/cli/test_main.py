from __future__ import annotations

import argparse
import subprocess
import sys
from types import SimpleNamespace
from typing import get_args

import pytest

from fraudstream import __version__
from fraudstream.cli import main as cli
from fraudstream.cli.failure import Failure
from fraudstream.cli.settings import Settings
from fraudstream.contracts.case_values import ActionName
from fraudstream.operations.errors import MissingTopicError

HEAVY = {"numba", "numpy", "faust", "mode", "aiokafka", "redis", "pyarrow", "rich", "prometheus_client", "fastapi"}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replaces the module of `worker`; the test sets what it does as `does`."""

    def add_parser(subparsers: cli.Subparsers) -> None:
        subparsers.add_parser("worker").add_argument("--json", action="store_true")

    def run(args: argparse.Namespace, settings: Settings) -> int:
        return int(module.does(args, settings))

    module: SimpleNamespace = SimpleNamespace(add_parser=add_parser, run=run)
    monkeypatch.setitem(sys.modules, "fraudstream.cli.worker", module)
    return module


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    for name in (
        "up", "worker", "cases", "generate", "publish", "replay", "evaluate", "rules", "score", "topics",
        "dead-letters", "state", "config", "bench", "train", "model", "console", "audit", "history", "erase", "bridge",
        "notices", "webhooks", "doctor",
    ):  # fmt: skip
        assert f"\n    {name} " in shown or f"\n    {name}\n" in shown
    assert "example:" in shown


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"fraudstream {__version__}\n"


def test_light_commands_import_nothing_heavy() -> None:
    script = (
        "import sys; from fraudstream.cli.main import main\n"
        "for line in ('--help', 'config --help', 'console --help', 'topics --help', 'config --json'):\n"
        "    try: main(line.split())\n"
        "    except SystemExit: pass\n"
        f"print(sorted({HEAVY!r} & {{name.split('.')[0] for name in sys.modules}}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_failure_is_one_sentence_on_stderr_and_exit_code_1(
    command: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    def does(args: argparse.Namespace, settings: Settings) -> int:
        raise Failure("no broker answers at 127.0.0.1:1.")

    command.does = does
    assert cli.main(["worker"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "fraudstream: no broker answers at 127.0.0.1:1.\n")


def test_an_error_of_an_operation_is_its_sentence_and_exit_code_1(
    command: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    def does(args: argparse.Namespace, settings: Settings) -> int:
        raise MissingTopicError("127.0.0.1:1", "controls")

    command.does = does
    assert cli.main(["worker"]) == 1
    assert capsys.readouterr().err == (
        "fraudstream: 127.0.0.1:1 has no topic 'controls', or permits you nothing on it. Create it with "
        "`fraudstream topics apply`.\n"
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["cases", "close", "case-1"],
        ["cases", "close", "case-1", "--disposition", "maybe"],
        ["cases", "note", "case-1"],
        ["cases", "claim"],
    ],
)
def test_an_action_on_a_case_without_what_it_requires_is_wrong_usage(argv: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(argv)


@pytest.mark.parametrize("action", ["list", "show", *get_args(ActionName)])
def test_every_action_on_cases_has_help_with_an_example(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["cases", action, "--help"])
    assert f"example:\n  fraudstream cases {action}" in capsys.readouterr().out


def test_a_wait_of_no_time_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cases", "claim", "case-1", "--wait", "0"]) == 1
    assert "--wait 0: must be more than 0" in capsys.readouterr().err


def test_ctrl_c_is_exit_code_130_without_a_traceback(
    command: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    def does(args: argparse.Namespace, settings: Settings) -> int:
        raise KeyboardInterrupt

    command.does = does
    assert cli.main(["worker"]) == 130
    assert capsys.readouterr().err == ""


def test_an_unforeseen_error_keeps_its_traceback(command: SimpleNamespace) -> None:
    def does(args: argparse.Namespace, settings: Settings) -> int:
        raise ZeroDivisionError

    command.does = does
    with pytest.raises(ZeroDivisionError):
        cli.main(["worker"])


def test_the_exit_code_is_the_commands(command: SimpleNamespace) -> None:
    command.does = lambda args, settings: 3
    assert cli.main(["worker"]) == 3


@pytest.mark.parametrize(
    "argv",
    [
        ["--set", "worker.group=g", "worker", "--json"],
        ["worker", "--set", "worker.group=g", "--json"],
        ["worker", "--json", "--set=worker.group=g"],
    ],
)
def test_settings_are_taken_before_and_after_the_command(command: SimpleNamespace, argv: list[str]) -> None:
    seen: list[Settings] = []

    def does(args: argparse.Namespace, settings: Settings) -> int:
        assert args.json
        seen.append(settings)
        return 0

    command.does = does
    assert cli.main(argv) == 0
    assert seen[0].worker.group == "g"


def test_a_closed_output_pipe_is_no_traceback() -> None:
    script = "import sys; from fraudstream.cli.main import main; sys.exit(main(['topics', 'schemas']))"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize("argv", [[], ["nosuch"], ["config", "--nosuch"]])
def test_wrong_usage_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(argv)
    assert "usage: fraudstream" in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_commands_help_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([name, "--help"])
    shown = capsys.readouterr().out
    assert "example" in shown
    assert f"fraudstream {name}" in shown.split("example", 1)[1]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["cases", "list"], "--limit"),
        (["dead-letters", "list"], "--limit"),
        (["generate"], "--count"),
        (["replay", "x.csv"], "--batch-size"),
    ],
)
def test_a_count_that_is_not_positive_is_refused_in_one_line(
    command: list[str], flag: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([*command, flag, text])
    assert left.value.code == 2
    assert f"argument {flag}: {text!r} is not a whole number of at least 1" in capsys.readouterr().err
