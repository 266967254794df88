"""Each command that the documentation shows is one that the program, make or the repository has.

Limits: what a command does is not tested here, but by the tests of that command and of the tutorials.
"""

import argparse
import contextlib
import io
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from docsite.command_page import actions_of, command_parser
from docsite.markdown import code_blocks
from docsite.shell import ShellCommand, line_commands, page_commands
from docsite.source import REPOSITORY, read_pages
from fraudstream.cli.failure import Failure
from fraudstream.cli.main import COMMANDS, parser
from fraudstream.cli.settings import load_settings, overrides_of

PAGES = dict(read_pages(REPOSITORY))
OF_TODAY = [name for name in PAGES if name != "CHANGELOG.md" and not name.startswith("docs/decisions/")]
PROGRAM = {"fraudstream", ".venv/bin/fraudstream"}
PYTHON = {"python", "python3", ".venv/bin/python"}
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
TOP = {path.name for path in REPOSITORY.iterdir()} - {".venv", "build"}
PLACEHOLDERS = {"CHAIN:SEQUENCE:SHA256": f"3f9ac01b77d2:17:{'0' * 64}"}
OPTIONAL = {"rules/artefacts/", "rules/artefacts/DIGEST", "rules/artefacts.yaml", "rules/model.yaml"}  # none is shipped
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
REPOSITORY_PATH = re.compile(r"\.?[\w-]+(/[\w.-]+)+/?")


def usage_fault(words: list[str]) -> str | None:
    """What the real parser and the settings say against `fraudstream WORDS`; None if they take it."""
    everywhere = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    everywhere.add_argument("--config")
    everywhere.add_argument("--set", action="append", default=[])
    common, rest = everywhere.parse_known_args([PLACEHOLDERS.get(word, word) for word in words])
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            args = parser(COMMANDS.get(rest[0]) if rest else None).parse_args(rest)
        load_settings(None, {}, overrides_of(common.set, args))
    except SystemExit as exit_:
        return None if exit_.code == 0 else said.getvalue().strip().rpartition("\n")[2]
    except Failure as failure:
        return failure.sentence
    return None


def fault_of(command: ShellCommand) -> str | None:
    """What is wrong with a command of a block; None if nothing is, or if it is not ours."""
    program, *words = command.words
    if program in PROGRAM:
        return usage_fault(words)
    if program == "make":
        unknown = [word for word in words if "=" not in word and word not in TARGETS]
        return f"no target {', '.join(unknown)}" if unknown else None
    if program in PYTHON and words[:1] == ["-m"]:
        name = words[1]
        return None if name.partition(".")[0] in ("pip", "venv") or find_spec(name) else f"no module {name}"
    return None


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # without a fraudstream.toml


@pytest.mark.parametrize("page", OF_TODAY)
def test_each_command_of_a_block_is_accepted(page: str) -> None:
    faults = [f"{page}:{c.line}: {c}: {fault}" for c in page_commands(PAGES[page]) if (fault := fault_of(c))]
    assert faults == []


def test_the_commands_of_the_documentation_are_found() -> None:
    found = [command for page in OF_TODAY for command in page_commands(PAGES[page])]
    assert sum(command.words[0] in PROGRAM for command in found) > 150
    assert sum(command.words[0] == "make" for command in found) > 5


def inline_code(page: str) -> Iterator[tuple[int, str]]:
    """The code within lines, with the number of its line."""
    text = re.sub(r"^ *```.*?^ *```", lambda block: "\n" * block[0].count("\n"), PAGES[page], flags=re.S | re.M)
    for found in INLINE.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, " ".join(found[1].split())


def mention_fault(words: tuple[str, ...]) -> str | None:
    """What is wrong with `fraudstream WORDS` in a sentence, which may lack arguments."""
    if not words or words[0] in ("…", "COMMAND") or words[0].startswith("-"):
        return None
    path: list[str] = []
    while len(path) < len(words) and command_parser([*path, words[len(path)]]) is not None:
        path.append(words[len(path)])
    command = command_parser(path)
    if command is None:
        return f"no command {words[0]}"
    rest = words[len(path) :]
    actions = dict(actions_of(command))
    if len(path) < 3 and actions and rest and re.fullmatch(r"[a-z-]{3,}", rest[0]) and not rest[0].startswith("-"):
        return f"no action {rest[0]} of {' '.join(path)}"
    known = {flag for action in command._actions for flag in action.option_strings} | {"--config", "--set"}
    flags = [word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    unknown = [flag for flag in flags if flag not in known]
    return f"{' '.join(path)} has no {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("page", OF_TODAY)
def test_each_command_that_a_sentence_names_exists(page: str) -> None:
    faults = []
    for line, code in inline_code(page):
        for command in line_commands(code, line):
            if command.words[0] in PROGRAM and (fault := mention_fault(command.words[1:])):
                faults.append(f"{page}:{line}: {code}: {fault}")
            if command.words[0] == "make" and (fault := fault_of(command)):
                faults.append(f"{page}:{line}: {code}: {fault}")
    assert faults == []


@pytest.mark.parametrize("page", OF_TODAY)
def test_each_file_of_the_repository_that_a_page_names_exists(page: str) -> None:
    named = [code for _, code in inline_code(page)]
    named += [word for command in page_commands(PAGES[page]) for word in made_by_no_command(command)]
    gone = {
        path
        for path in named
        if REPOSITORY_PATH.fullmatch(path) and path.partition("/")[0] in TOP and not (REPOSITORY / path).exists()
    }
    assert sorted(gone - OPTIONAL) == []


def made_by_no_command(command: ShellCommand) -> Iterator[str]:
    """The words of a command, without those that name what it will write."""
    for before, word in zip(("", *command.words), command.words, strict=False):
        if before not in ("--out", "--directory", "--picture"):
            yield word


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("fraudstream cases close CASE --dispositon genuine", "unrecognized|required|dispositon"),
        ("fraudstream case list", "invalid choice"),
        ("fraudstream worker --set worker.decission=false", "unknown setting 'decission'"),
        ("fraudstream worker --set worker.processes=many", "worker.processes"),
        ("cat a.json | fraudstream replay", "required"),
        ("OUT=$(fraudstream rules sign) && true", "invalid choice"),
        ("make everything", "no target everything"),
        ("python -m benchmarks.gone", "no module benchmarks.gone"),
    ],
)
def test_a_wrong_command_is_found(line: str, fault: str) -> None:
    faults = [found for command in line_commands(line, 1) if (found := fault_of(command))]
    assert len(faults) == 1
    assert re.search(fault, faults[0])


@pytest.mark.parametrize("code", ["fraudstream cases clam X", "fraudstream lists --since 3d", "fraudstream judge"])
def test_a_wrong_command_in_a_sentence_is_found(code: str) -> None:
    [command] = line_commands(code, 1)
    assert mention_fault(command.words[1:])


def test_commands_are_taken_apart_as_a_shell_does() -> None:
    [block] = code_blocks("```sh\nA=1 B=2 one 'x y' >out 2>&1 | two # three\nfour \\\n  five && six [--seven N]\n```")
    assert [(c.words, c.line) for c in page_commands("```sh\n" + block.text + "```")] == [
        (("one", "x y"), 2),
        (("two",), 2),
        (("four", "five"), 3),
        (("six", "--seven", "N"), 3),
    ]
