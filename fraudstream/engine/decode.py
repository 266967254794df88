"""Record values to payments and labels: one decoder call for a whole batch; value by value where that fails."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from fraudstream.contracts.control_characters import control_character_path, may_have_control_character
from fraudstream.contracts.label import Label
from fraudstream.contracts.payment import Payment
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.engine.columns import Rejection
from fraudstream.engine.envelopes import format_fault
from fraudstream.engine.faulty_field import Fault, plain_fault

VALUE_BYTES_MAX = 1 << 20  # a payment takes some hundred bytes

_payment = msgspec.json.Decoder(Payment)
_label = msgspec.json.Decoder(Label)


def decode(values: Sequence[bytes | None], is_label: Sequence[bool] | None = None) -> list[Payment | Label | Rejection]:
    """The event of each value, or the reason why it is rejected. `is_label`: which values are labels; None: none.

    `position` of a rejection is the value's index.
    """
    if is_label is None or not any(is_label):
        whole = _decode_all(values)
        if whole is not None:
            return whole
    labels = is_label if is_label is not None else [False] * len(values)
    events = [
        _decode_one(position, value, label) for position, (value, label) in enumerate(zip(values, labels, strict=True))
    ]
    return _checked(values, events)


def _checked(
    values: Sequence[bytes | None], events: list[Payment | Label | Rejection]
) -> list[Payment | Label | Rejection]:
    """`events`, each with a control character in an identifier replaced by a rejection."""
    for position, (value, event) in enumerate(zip(values, events, strict=True)):
        if value and not isinstance(event, Rejection) and may_have_control_character(value):
            path = control_character_path(event)
            if path is not None:
                events[position] = Rejection(
                    position,
                    "invalid",
                    "An identifier holds a control character, such as a line break: leave it out.",
                    path,
                )
    return events


def _decode_all(values: Sequence[bytes | None]) -> list[Payment | Label | Rejection] | None:
    """The payments of all values, in one decoder call; None if a value may be invalid.

    Values are joined by line ends. A line end between `}` and `{` cannot be inside a JSON value. So if all line ends of
    the joined text are there, an invalid value cannot be completed by its neighbour: the decoder returns one payment
    for each value, or fails.
    """
    try:
        joined = b"\n".join(values)  # type: ignore[arg-type]
    except TypeError:
        return None
    if joined[:1] != b"{" or joined[-1:] != b"}":
        return None
    text = np.frombuffer(joined, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    if len(ends) != len(values) - 1 or (text[ends - 1] != ord("}")).any() or (text[ends + 1] != ord("{")).any():
        return None
    if len(joined) > VALUE_BYTES_MAX and max(map(len, values)) > VALUE_BYTES_MAX:  # type: ignore[arg-type]
        return None
    try:
        payments = _payment.decode_lines(joined)
    except UNDECODABLE:
        return None
    if len(payments) != len(values):
        return None
    return _checked(values, list(payments)) if may_have_control_character(joined) else list(payments)


def _decode_one(position: int, value: bytes | None, label: bool) -> Payment | Label | Rejection:
    """The event of one value, or why it is rejected, in a sentence for its publisher."""
    what = "label" if label else "payment"
    if not value:
        return Rejection(position, "not_json", f"The record has no value; a {what} is a JSON object.", "$")
    if len(value) > VALUE_BYTES_MAX:
        sentence = f"The record has {len(value)} bytes; a {what} has at most {VALUE_BYTES_MAX}."
        return Rejection(position, "too_large", sentence, "$")
    try:
        return _label.decode(value) if label else _payment.decode(value)
    except msgspec.ValidationError as error:
        return Rejection(position, "invalid", *(format_fault(value, what, str(error)) or plain_fault(str(error), what)))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        said = str(error).splitlines()[0].rstrip(".")
        found = format_fault(value, what, said)
        return Rejection(position, "not_json", *(found or Fault(f"Not valid JSON: {said}.", "$")))
