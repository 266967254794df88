"""Calls of compiled functions that skip numba's dispatcher.

The dispatcher finds the type of every array of every tuple argument again at each call: 5 to 16 µs for the functions
here, which take many. Their types never change, so `Direct` asks once. It does not check them afterwards: with
`FRAUDSTREAM_TEST_CHECK_TYPES=1`, which the tests set, every call is checked.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

CHECK_TYPES: Final = "FRAUDSTREAM_TEST_CHECK_TYPES"  # of this form the command line accepts it


class Direct(Generic[P, R]):
    """An entry point, called with arguments of the types of its first call. Arguments must be positional.

    Under `NUMBA_DISABLE_JIT` it calls the Python function. Raises `TypeError` for other types if `CHECK_TYPES` is set.
    """

    def __init__(self, entry_point: Callable[P, R]) -> None:
        self._entry_point = entry_point
        self._dispatcher: Any = entry_point if hasattr(entry_point, "overloads") else None
        self._machine_code: Any = None
        self._types: tuple[Any, ...] = ()
        self._checks = bool(os.environ.get(CHECK_TYPES))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        if self._machine_code is not None and not self._checks:
            result: R = self._machine_code(*args)
            return result
        return self._checked(args)

    def _checked(self, args: tuple[Any, ...]) -> R:
        call: Callable[..., R] = self._entry_point
        if self._dispatcher is None:
            return call(*args)
        found = tuple(map(self._dispatcher.typeof_pyval, args))
        if self._machine_code is None:
            result = call(*args)
            self._types, self._machine_code = found, self._dispatcher.overloads[found].entry_point
            return result
        if found != self._types:
            pairs = enumerate(zip(found, self._types, strict=True))
            differing = [f"argument {k}: {now}, not {first}" for k, (now, first) in pairs if now != first]
            raise TypeError(f"{self._dispatcher.__name__} was compiled for other types: {'; '.join(differing)}")
        return call(*args)
