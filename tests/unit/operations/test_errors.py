"""Every error of an operation is an `OperationError` whose sentence is complete, so that any front end can print it."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import fraudstream.operations
from fraudstream.operations.errors import OperationError
from fraudstream.operations.lists import NotListedError, UnknownListError

MODULES = [
    import_module(f"fraudstream.operations.{module.name}")
    for module in pkgutil.iter_modules(fraudstream.operations.__path__)
]


def test_every_exception_of_the_package_is_an_operation_error() -> None:
    exceptions = {
        found
        for module in MODULES
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Exception) and found.__module__ == module.__name__
        if not found.__name__.startswith("_")  # caught in its own module
    }
    assert len(exceptions) > 15
    assert [found for found in exceptions if not issubclass(found, OperationError)] == []


def test_an_unknown_list_names_the_nearest_one_and_all_facts() -> None:
    error = UnknownListError("stolen_device", ["stolen_devices", "mule_accounts"])
    assert error.sentence == "the rules in force have no list 'stolen_device'. Nearest: 'stolen_devices'."
    assert (error.name, error.declared) == ("stolen_device", ("mule_accounts", "stolen_devices"))
    assert "add rules/lists.yaml" in UnknownListError("stolen_device", []).sentence


def test_a_value_that_is_not_listed_names_the_nearest_one() -> None:
    assert NotListedError("dev-9", "stolen", ["dev-8"]).sentence == "'dev-9' is not on stolen. Nearest: 'dev-8'."
