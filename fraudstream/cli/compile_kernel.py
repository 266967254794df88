"""Compile the kernel for a rule set and the parser of record batches, so that several workers find it in the cache.

`python -m fraudstream.cli.compile_kernel RULES`. On a new machine that takes some seconds, and the first line of the
output says so; afterwards it is read from the cache.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aiokafka import TopicPartition

from fraudstream.cli.command_process import COMPILING
from fraudstream.cli.failure import Failure
from fraudstream.cli.rule_files import load_rule_set
from fraudstream.compiled.jit import is_cached
from fraudstream.contracts import Label, Payment
from fraudstream.engine.engine import Engine
from fraudstream.kafka.record_batch.parse import parse
from fraudstream.stream.decisions import compile_writers


def compile_kernel(rules: Path) -> None:
    """Decide one payment and one label, write the decision, save and restore their state, and parse an empty response.

    Raises `Failure` for faulty rules.
    """
    engine = Engine(load_rule_set(rules))
    payment = Payment(event_id="0", occurred_at=0, account_id="0", amount="1", currency="EUR", direction="debit")
    label = Label(event_id="0", account_id="0", label="genuine", labelled_at=0)
    state = engine.new_state()
    compile_writers(engine.judge([payment, label], state))
    engine.new_state().restore(state.changes())
    parse(b"", 0, TopicPartition("", 0))


if __name__ == "__main__":
    if not is_cached():
        print(COMPILING, flush=True)
    try:
        compile_kernel(Path(sys.argv[1]))
    except Failure as failure:
        sys.exit(failure.sentence)
