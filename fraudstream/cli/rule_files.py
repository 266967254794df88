"""The files of a rules directory as texts, limited in number and size, and its faults as one failure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fraudstream.cli.failure import Failure
from fraudstream.contracts.error_text import system_error_text
from fraudstream.engine.artefacts import ARTEFACT_BYTES_MAX, ARTEFACTS_DIRECTORY, artefacts_named
from fraudstream.engine.catalogue import Catalogue
from fraudstream.engine.catalogue_reading import parse_catalogue
from fraudstream.engine.document import DocumentErrors
from fraudstream.engine.rule_set import FEATURES, RuleSet, compile_rule_set

FILES_MAX = 3_000
FILE_BYTES_MAX = 1 << 20


def rule_texts(directory: Path) -> dict[str, str]:
    """{path below the directory: text} of its YAML files and of those one level below. Raises `Failure`."""
    if not directory.is_dir():
        raise Failure(f"{directory} is not a directory of rules. Name one, or set rules.directory.")
    paths = _paths(directory)
    if not paths:
        raise Failure(f"{directory} contains no rules: no features.yaml, no <typology>/<name>.yaml.")
    if len(paths) > FILES_MAX:
        raise Failure(f"{directory} holds {len(paths)} YAML files; at most {FILES_MAX} are read.")
    return {path.relative_to(directory).as_posix(): _text(path) for path in paths}


def artefact_contents(directory: Path, texts: Mapping[str, str]) -> dict[str, bytes]:
    """Bytes by digest of the artefacts that the texts name, from `artefacts/DIGEST` below the directory.

    Missing files are left out: compiling reports them. Raises `Failure`.
    """
    paths = {digest: directory / ARTEFACTS_DIRECTORY / digest for digest in sorted(artefacts_named(texts))}
    return {digest: _content(path) for digest, path in paths.items() if path.exists()}


def ignored_files(directory: Path) -> list[Path]:
    """YAML files below the directory that are not read, for their suffix, their depth or a name that begins with '.'.

    Entries that begin with '..' are not mentioned: they hold the files that a ConfigMap volume links to.
    """
    there = {*directory.rglob("*.yml"), *directory.rglob("*.yaml")} - set(_paths(directory))
    return sorted(path for path in there if not _has_part_with(path.relative_to(directory), ".."))


def load_rule_set(directory: Path) -> RuleSet:
    """The compiled rule set of a directory. Raises `Failure` with every fault in it."""
    try:
        texts = rule_texts(directory)
        return compile_rule_set(texts, artefacts=artefact_contents(directory, texts))
    except DocumentErrors as errors:
        raise Failure(fault_list(errors, directory)) from errors


def stages_of_directory(directory: Path) -> list[str]:
    """The stages that the features of a directory need, in order. Raises `Failure`."""
    try:
        return [entity.name for entity in _catalogue(directory).stages]
    except DocumentErrors as errors:
        raise Failure(fault_list(errors, directory)) from errors


def feature_names(directory: Path) -> list[str]:
    """The features of a directory by name, in its order, whatever faults its rules have. Raises `Failure`."""
    try:
        return [feature.name for feature in _catalogue(directory).features]
    except DocumentErrors as errors:
        raise Failure(fault_list(errors, directory)) from errors


def _catalogue(directory: Path) -> Catalogue:
    """Raises `Failure`, `DocumentErrors`."""
    texts = rule_texts(directory)
    if FEATURES not in texts:
        raise Failure(f"{directory} contains no {FEATURES}, which declares what the rules read, and so the topics.")
    return parse_catalogue(texts[FEATURES], FEATURES)


def fault_list(errors: DocumentErrors, directory: Path) -> str:
    """All faults, each with its path, line and column, and how many there are."""
    count = len(errors.faults)
    shown = [str(fault._replace(path=str(directory / fault.path))) for fault in errors.faults]
    return "\n".join([f"{directory} has {count} fault{'s' if count > 1 else ''}:", *shown])


def _paths(directory: Path) -> list[Path]:
    """The YAML files that are read, in order.

    Names that begin with '.' are left out: hidden files, editors' copies, and the directories `..data` and
    `..<timestamp>` with which Kubernetes replaces all files of a ConfigMap volume at once.
    """
    paths = [*directory.glob("*.yaml"), *directory.glob("*/*.yaml")]
    return sorted(path for path in paths if not _has_part_with(path.relative_to(directory), "."))


def _has_part_with(path: Path, prefix: str) -> bool:
    return any(part.startswith(prefix) for part in path.parts)


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > ARTEFACT_BYTES_MAX:
            raise Failure(f"{path} is larger than {ARTEFACT_BYTES_MAX:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path} can't be read: {system_error_text(error)}.") from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise Failure(f"{path} is larger than {FILE_BYTES_MAX:,} bytes. Split it.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {system_error_text(error)}.") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8.") from error
