"""A processor that lacks instructions of the compiled code is told before the process ends by a signal."""

from __future__ import annotations

from itertools import pairwise

import llvmlite.binding
import pytest

from fraudstream.cli.main import main
from fraudstream.compiled.processor import LEVELS, missing_instructions


@pytest.fixture
def old_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of level x86-64-v2."""
    features = {name: name in LEVELS["x86-64-v2"] for name in LEVELS["x86-64-v4"]}
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: features)


@pytest.mark.usefixtures("old_processor")
def test_what_a_processor_lacks_is_named() -> None:
    lacking = ["avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"]
    assert missing_instructions({"NUMBA_CPU_NAME": "x86-64-v3"}) == lacking
    assert missing_instructions({"NUMBA_CPU_NAME": "x86-64-v2"}) == []


@pytest.mark.usefixtures("old_processor")
def test_code_for_this_processor_or_for_any_needs_nothing() -> None:
    for environment in ({}, {"NUMBA_CPU_NAME": ""}, {"NUMBA_CPU_NAME": "generic"}):
        assert missing_instructions(environment) == []


@pytest.mark.usefixtures("old_processor")
def test_a_command_ends_with_a_sentence_in_place_of_a_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64-v3")
    assert main(["config"]) == 78
    assert "this processor lacks avx, avx2" in capsys.readouterr().err


def test_a_level_has_the_instructions_of_the_one_below() -> None:
    levels = [set(names) for names in LEVELS.values()]
    assert all(lower < higher for lower, higher in pairwise(levels))
