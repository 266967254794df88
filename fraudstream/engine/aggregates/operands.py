"""The operands of aggregates: the values of `of` in `features.yaml`."""

from __future__ import annotations

from typing import NamedTuple, get_args

from fraudstream.contracts.fields import LabelName
from fraudstream.engine.expression import PAYMENT_FIELDS, Type

# The text fields of a payment, the account last: what `distinct`, `first_seen`, `same` and an entity's key may name.
KEYS = tuple(name for name, type_ in PAYMENT_FIELDS.items() if type_ is Type.TEXT)

# The fields that hold a short standard code, so that a value can be shown from its 32-bit code (`code_tables`).
CODE_FIELDS = ("channel", "country", "currency", "direction", "kind", "mcc")


TIMES = ("hour", "weekday", "time_of_day")  # operands that are read from the time of a payment


class Operand(NamedTuple):
    """`choices`: the values that `of` may take; if there is one only, it is the default. `reads_field`: each choice is
    a payment field, whose 32-bit code every slot must hold; but those in `TIMES` are read from the time of the payment.
    `described`: how the documentation names the choices."""

    choices: tuple[str, ...]
    reads_field: bool
    described: str

    def field(self, of: str | None) -> str | None:
        """The payment field whose code slots must hold for this choice; None if they need not."""
        return of if self.reads_field and of not in TIMES else None


NOTHING = Operand((), False, "")
AMOUNT = Operand(("amount",), False, "`amount`")
SIZE = Operand(("amount", "log_amount"), False, "`amount`, `log_amount`")
LABEL = Operand(("fraud", "genuine"), False, "`fraud`, `genuine`")
FRAUD_LABEL = Operand(("fraud",), False, "`fraud`")
KEY_FIELD = Operand(KEYS, True, "a text field, `account_id`")
VALUE_OR_TIME = Operand((*KEYS, *TIMES), True, f"a text field, {', '.join(f'`{name}`' for name in TIMES)}")
CODE_FIELD = Operand(CODE_FIELDS, True, ", ".join(f"`{name}`" for name in CODE_FIELDS))

assert set(LABEL.choices) == set(get_args(LabelName)), f"labels are {get_args(LabelName)}, operands {LABEL.choices}"
