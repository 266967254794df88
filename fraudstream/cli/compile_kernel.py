"""Compile the kernel for a rule set and the parser of record batches, so that several workers find it in the cache.

`python -m fraudstream.cli.compile_kernel RULES`. On a new machine that takes a minute; afterwards it is read from the
cache. The first line of the output says which.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fraudstream.cli.command_process import COMPILING, LOADING
from fraudstream.cli.failure import Failure
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.compiled.jit import is_cached
from fraudstream.engine import kernel
from fraudstream.stream.faust.compilation import compile_way_of_a_payment


def compile_kernel(rules: Path) -> None:
    """Compile all that a worker needs under these rules. Raises `Failure` for faulty ones."""
    compile_way_of_a_payment(load_rule_set(rules))


if __name__ == "__main__":
    print(LOADING if is_cached(kernel.update) else COMPILING, flush=True)
    try:
        compile_kernel(Path(sys.argv[1]))
    except Failure as failure:
        sys.exit(failure.sentence)
