"""A console that may put changes in force, whose commands write down how they were called."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx

from fraudstream.console.rules.trials import TrialSettings
from tests.unit.console.console_app import ConsoleUnderTest

# Writes down its words and the files of its rules (of `rules diff`: the changed ones), and answers an activation with
# what the console expects of the command.
CALLED = """
import json, pathlib, sys
words = sys.argv[1:]
activates = "--rules" in words
rules = pathlib.Path(words[words.index("--rules") + 1 if activates else 3])
files = {{str(path.relative_to(rules)): path.read_text() for path in rules.rglob("*.yaml")}}
pathlib.Path({out!r}).write_text(json.dumps([words, files]))
if activates:
    print(json.dumps({answer!r}))
"""


class Command:
    """The command that the console runs in place of `fraudstream`. `out`: where it writes down how it was called."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def used_by(self, console: ConsoleUnderTest, answer: dict[str, Any]) -> None:
        """Let trials and activations run it; it prints `answer`."""
        script = CALLED.format(out=str(self._out), answer=answer)
        console.trials.settings = TrialSettings([sys.executable, "-c", script], {**os.environ})

    @property
    def was_called(self) -> bool:
        return self._out.exists()

    def words(self) -> list[str]:
        """Its words, without the directory of its rules."""
        words: list[str] = json.loads(self._out.read_text())[0]
        at = words.index("--rules")
        return words[:at] + words[at + 2 :]

    def files(self) -> dict[str, str]:
        """The files of its rules by path."""
        files: dict[str, str] = json.loads(self._out.read_text())[1]
        return files


async def ended(client: httpx.AsyncClient, path: str) -> str:
    """The page of a trial or an activation once it has ended."""
    for _ in range(400):
        if "Running" not in (page := (await client.get(path)).text):
            return page
        await asyncio.sleep(0.05)
    raise TimeoutError(path)
