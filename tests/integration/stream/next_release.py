"""The release after this one, as a program: `python -m tests.integration.stream.next_release WHAT... -- COMMAND...`.

It is this source tree with the changes of `CHANGES` in it, made while its modules are loaded; every text that a change
replaces must occur once. Compiled code is not changed, so that it comes from the cache.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Final

VERSION: Final = "0.2.0"

# By change: by module, the text to replace and its replacement.
CHANGES: Final[Mapping[str, Mapping[str, Sequence[tuple[str, str]]]]] = {
    # What every release may do: optional fields in decisions, alerts and checkpoints.
    "fields": {
        "fraudstream": [('__version__ = "0.1.0"', f'__version__ = "{VERSION}"')],
        "fraudstream.engine.decision_writer": [
            (
                """text = b',"rule_set":' + _encode(finding.rule_set)""",
                f"""text = b',"rule_set":' + _encode(finding.rule_set) + b',"release":"{VERSION}"'""",
            )
        ],
        "fraudstream.contracts.alert": [
            (
                "    shadow_scores: dict[str, float] = {}\n    schema_version",
                '    shadow_scores: dict[str, float] = {}\n    release: str = ""\n    schema_version',
            )
        ],
        "fraudstream.engine.alert_writer": [
            ("            alert_id=SLOT,\n", f'            alert_id=SLOT,\n            release="{VERSION}",\n')
        ],
        "fraudstream.stream.checkpoints.checkpoint_record": [
            (
                '    release: str = ""\n    schema_version',
                '    release: str = ""\n    worker: str = ""\n    schema_version',
            )
        ],
        "fraudstream.stream.checkpoints.checkpoint": [
            ("release=__version__,", 'release=__version__,\n            worker="next",')
        ],
    },
    "layout": {"fraudstream.engine.plan": [("_LAYOUT_VERSION = 3", "_LAYOUT_VERSION = 4")]},
    "checkpoint": {
        "fraudstream.stream.checkpoints.checkpoint_record": [
            ("CHECKPOINT_VERSION: Final = 1", "CHECKPOINT_VERSION: Final = 2")
        ]
    },
    "language": {
        "fraudstream.engine.catalogue_reading": [('.word("version") != "1"', '.word("version") not in ("1", "2")')]
    },
}


class _Loader(SourceFileLoader):
    """Loads a module with some texts of its source replaced."""

    def __init__(self, name: str, path: str, replaced: Sequence[tuple[str, str]]) -> None:
        super().__init__(name, path)
        self._replaced = replaced

    def get_code(self, fullname: str) -> CodeType:
        """The code of the changed source; never from a cache."""
        path = self.get_filename(fullname)
        source = self.get_data(path).decode()
        for before, after in self._replaced:
            assert source.count(before) == 1, f"{path}: '{before}' occurs {source.count(before)} times"
            source = source.replace(before, after)
        code: CodeType = self.source_to_code(source.encode(), path)
        return code


class _Finder(MetaPathFinder):
    """Finds the modules that the next release has changed."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._replaced: dict[str, list[tuple[str, str]]] = {}
        for kind in kinds:
            for module, replaced in CHANGES[kind].items():
                self._replaced.setdefault(module, []).extend(replaced)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module with its changes; None for one that has none."""
        if fullname not in self._replaced:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._replaced[fullname])
        return spec


def run(words: Sequence[str]) -> int:
    """Run the command of the next release. `words`: kinds of changes, `--`, then the command's own."""
    end = words.index("--")
    assert not any(name.partition(".")[0] == "fraudstream" for name in sys.modules), "this release is loaded already"
    sys.meta_path.insert(0, _Finder(words[:end]))
    from fraudstream.cli.main import main

    return main(list(words[end + 1 :]))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
