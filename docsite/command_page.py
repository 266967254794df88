"""docs/cli.md: every command with its arguments, from the parsers that read them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Final

from docsite.tables import GENERATED, code, plain, table
from fraudstream.cli.main import COMMANDS, parser

HEAD: Final = f"""# Commands

{GENERATED}

`fraudstream COMMAND --help` prints the same in a terminal. These two are accepted by every command:

| | |
| --- | --- |
| `--config FILE` | read [settings](settings.md) from FILE (default: `./fraudstream.toml`, if there) |
| `--set SECTION.NAME=VALUE` | set one setting, over file and environment; may be given more than once |

Exit codes: 0 done, 1 the command failed (one sentence on stderr), 2 wrong usage, 130 interrupted with Ctrl-C. `worker`
and `cases` have more.
"""


def command_page() -> str:
    """The whole page."""
    names = table(
        ("command", ""),
        ((f"[{code(f'fraudstream {c.name}')}](#fraudstream-{c.name})", plain(c.summary)) for c in COMMANDS.values()),
    )
    return "\n".join([HEAD, names, "", *(section for name in COMMANDS for section in _sections(name))])


def command_parser(words: list[str]) -> argparse.ArgumentParser | None:
    """The parser of a command or of an action of it, such as ['cases', 'claim']; None if there is none."""
    if not words or words[0] not in COMMANDS:
        return None
    current: argparse.ArgumentParser | None = parser(COMMANDS[words[0]])
    for word in words:
        current = dict(actions_of(current)).get(word) if current is not None else None
    return current


def actions_of(command: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The actions of a command by name, each with its parser."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _sections(name: str) -> Iterator[str]:
    top = command_parser([name])
    assert top is not None, f"{name} has no parser"
    yield _section(f"fraudstream {name}", COMMANDS[name].summary, top, "##")
    yield from _below(f"fraudstream {name}", top)


def _below(path: str, command: argparse.ArgumentParser) -> Iterator[str]:
    summaries = {
        choice.dest: choice.help or ""
        for action in command._actions
        if isinstance(action, argparse._SubParsersAction)
        for choice in action._choices_actions
    }
    for word, below in actions_of(command):
        yield _section(f"{path} {word}", summaries.get(word, ""), below, "###")
        yield from _below(f"{path} {word}", below)


def _section(title: str, summary: str, command: argparse.ArgumentParser, level: str) -> str:
    parts = [f"{level} {title}", plain(_sentence(_expanded(command.description or summary, command)))]
    rows = [_row(action, command) for action in command._actions if _is_shown(action)]
    if rows:
        parts.append(table(("argument", ""), rows))
    if command.epilog:
        parts.append(f"```text\n{_expanded(command.epilog, command).strip()}\n```")
    return "\n\n".join(parts) + "\n"


def _is_shown(action: argparse.Action) -> bool:
    hidden = isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
    return not hidden and action.help != argparse.SUPPRESS


def _row(action: argparse.Action, command: argparse.ArgumentParser) -> tuple[str, str]:
    values = _values(action, command)
    if not action.option_strings:
        return code(values), plain(_help(action, command))
    flags = ", ".join(code(f"{flag} {values}".strip()) for flag in action.option_strings)
    required = " Required." if action.required else ""
    return flags, plain(_help(action, command)) + required


def _values(action: argparse.Action, command: argparse.ArgumentParser) -> str:
    """How the values of an argument are written: `FILE`, `FILE ...`, `{csv,json}`, or nothing for a switch."""
    if action.nargs == 0:
        return ""
    name = action.metavar
    if name is None:
        name = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    word = " ".join(name) if isinstance(name, tuple) else name
    many = {"+": f"{word} [{word} ...]", "*": f"[{word} ...]", "?": f"[{word}]"}
    return many.get(str(action.nargs), word)


def _help(action: argparse.Action, command: argparse.ArgumentParser) -> str:
    fields = {**vars(action), "prog": command.prog}
    return (action.help or "") % {name: value for name, value in fields.items() if value is not argparse.SUPPRESS}


def _expanded(text: str, command: argparse.ArgumentParser) -> str:
    return text % {"prog": command.prog} if "%(" in text else text.replace("%%", "%")


def _sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if re.search(r"[.:]$", text) else f"{text}."
