"""A verdict is a function of the log and the rule set; the key only decides which texts collide by chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraudstream.engine.expression import Type
from fraudstream.engine.identifier_key import SECRET_BYTES, key_of
from tests.property.judged_log import judged
from tests.property.payment_logs import Log, logs
from tests.property.profile import EXAMPLES
from tests.property.rule_sets import ENGINES


@pytest.mark.parametrize("name", ENGINES)
@EXAMPLES
@given(log=logs(), secret=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_verdicts_do_not_depend_on_the_key(name: str, log: Log, secret: bytes) -> None:
    engine = ENGINES[name]
    keyed = engine.keyed(key_of(secret))
    found, expected = judged(keyed, keyed.new_state(), [log]), judged(engine, engine.new_state(), [log])
    assert found._replace(verdicts=[]) == expected._replace(verdicts=[])
    codes = {name for name, type_ in engine.rule_set.catalogue.symbols.items() if type_ is Type.TEXT}
    for one, other in zip(found.verdicts, expected.verdicts, strict=True):
        for feature in codes & one.features.keys():  # the code of a text is half its digest
            one.features[feature] = other.features[feature]
        assert one == other
