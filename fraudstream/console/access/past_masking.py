"""Identifiers in the past of an account, a device and so on, as a visitor sees them (`masking`)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fraudstream.console.access.masking import DOTS, Masking, masked
from fraudstream.console.access.references import PSEUDONYM_KINDS
from fraudstream.contracts.payment_identifiers import IDENTIFIERS, is_identifying
from fraudstream.contracts.undecodable import UNDECODABLE
from fraudstream.history.answers import PastPayment


class PastMasking:
    """How the past is shown. `visible`: as it is. `payments`: of the page, whose identifiers are known from then on."""

    def __init__(self, visible: bool, payments: Iterable[PastPayment]) -> None:
        self.visible = visible
        known = set() if visible else {each for payment in payments for each in _identifiers(payment)}
        self._masking = Masking(visible, known)

    def value(self, kind: str, value: str) -> str:
        """The id of a page of a kind, as it is shown."""
        return masked(value) if not self.visible and kind in PSEUDONYM_KINDS else value

    def payment(self, payment: PastPayment) -> PastPayment:
        """A payment, as it is shown: also where another field repeats an identifier."""
        if self.visible:
            return payment
        fields = {name: self._field(name, value) for name, value in payment.fields.items()}
        return payment._replace(account_id=masked(payment.account_id), fields=fields)

    def _field(self, name: str, value: object) -> object:
        if name in IDENTIFIERS:
            return masked(str(value))
        if name == "attributes":
            return _attributes(str(value))
        return self._masking.text(value) if isinstance(value, str) else value


def _identifiers(payment: PastPayment) -> Iterable[str]:
    yield payment.account_id
    yield from (str(payment.fields[name]) for name in IDENTIFIERS if payment.fields.get(name) is not None)


def _attributes(text: str) -> str:
    """A JSON object with what may identify somebody masked; dots alone if it is none."""
    try:
        found = msgspec.json.decode(text, type=dict[str, object])
    except UNDECODABLE:
        return DOTS
    shown = {name: masked(str(value)) if is_identifying(value) else value for name, value in found.items()}
    return msgspec.json.encode(shown).decode()
