"""The examples in docstrings are true: every module's run as a test."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import fraudstream

MODULES = [module.name for module in pkgutil.walk_packages(fraudstream.__path__, "fraudstream.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    failed, _ = doctest.testmod(import_module(name))
    assert failed == 0


def test_there_are_examples() -> None:
    """Guard: the walk above finds modules, and examples in them."""
    assert "fraudstream.contracts.currency" in MODULES
    assert doctest.testmod(import_module("fraudstream.contracts.currency")).attempted > 0
