"""How cases are worked: the queues that they go to, with service levels, and what an amount is worth.

    version: 1
    base: EUR                            # amounts at risk are in it
    rates: {USD: "0.8532"}               # base for one unit of each currency, as decimal text
    queues:                              # the first that a case fits; one without conditions fits every case
      - name: takeover
        typologies: [account_takeover]   # any of them, of a rule that fired
        severity: high                   # at least
        amount: "10000"                  # at risk, at least
        first_action: {warn: 15m, breach: 30m}
        closing: {warn: 4h, breach: 8h}
        escalate_to: senior              # at a breach
      - name: general
        assignment:                      # who gets the cases of the queue; without it nobody, until somebody takes one
          method: skill                  # or load: the fewest open cases; or round_robin
          analysts: [ann, bob, carol]
    skills:                              # typologies and queues, for the method skill
      ann: [account_takeover]
    approval:                            # what a second person is to approve: closing a case
      closing_above: "10000"             # with more than this at risk
      confirmed_fraud: true              # as a confirmed fraud

Pure: `cases.policy_file` reads the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal

import msgspec

from fraudstream.contracts import EXPONENTS, Case
from fraudstream.contracts.case_values import Disposition
from fraudstream.contracts.duration import parse_duration
from fraudstream.contracts.fields import SEVERITIES, Identifier, Severity

OTHER_QUEUE: Final = "other"


class ServiceLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Durations from when the case came, such as 15m. Raises `ValueError` for one that is none."""

    warn: str | None = None
    breach: str | None = None

    def __post_init__(self) -> None:
        for text in (self.warn, self.breach):
            if text is not None:
                parse_duration(text)


class QueueAssignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How cases of a queue are assigned (`cases.workload`), and to whom."""

    method: Literal["round_robin", "load", "skill"]
    analysts: tuple[Identifier, ...]

    def __post_init__(self) -> None:
        if not self.analysts or len(set(self.analysts)) < len(self.analysts):
            raise ValueError("name at least one analyst, and each of them once")


class Queue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A queue: which cases it takes (those that meet every condition), and how soon they are to be worked."""

    name: Identifier
    typologies: tuple[str, ...] = ()
    severity: Severity | None = None
    amount: Decimal | None = None
    first_action: ServiceLevel = ServiceLevel()
    closing: ServiceLevel = ServiceLevel()
    escalate_to: Identifier | None = None
    assignment: QueueAssignment | None = None

    def takes(self, case: Case) -> bool:
        """Whether the case meets the conditions. An amount at risk that is not known meets none."""
        if self.typologies and not {rule.partition("/")[0] for rule in case.rules} & set(self.typologies):
            return False
        if self.severity is not None and SEVERITIES.index(case.severity) < SEVERITIES.index(self.severity):
            return False
        return self.amount is None or (case.amount_at_risk is not None and Decimal(case.amount_at_risk) >= self.amount)


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which closings a second person is to approve; by default none."""

    closing_above: Decimal | None = None
    confirmed_fraud: bool = False


class CasePolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole policy; by default without queues and without a base currency."""

    version: Literal[1] = 1
    base: str | None = None
    rates: dict[str, Decimal] = {}
    queues: tuple[Queue, ...] = ()
    approval: Approval = Approval()
    skills: dict[Identifier, tuple[str, ...]] = {}

    def __post_init__(self) -> None:
        for code in (*self.rates, *((self.base,) if self.base is not None else ())):
            if code not in EXPONENTS:
                raise ValueError(f"'{code}' is not a currency of ISO 4217")
        names = [queue.name for queue in self.queues]
        if len(set(names)) < len(names):
            raise ValueError(f"a queue is named twice: {', '.join(names)}")

    def queue_of(self, case: Case) -> Queue | None:
        """The first queue that takes the case, or `OTHER_QUEUE`; None if there are no queues."""
        if not self.queues:
            return None
        return next((queue for queue in self.queues if queue.takes(case)), Queue(OTHER_QUEUE))

    def queue_named(self, name: str | None) -> Queue | None:
        """The queue of that name, if there is one."""
        return next((queue for queue in self.queues if queue.name == name), None)

    def needs_approval(self, case: Case, disposition: Disposition | None) -> bool:
        """Whether a second person is to approve that the case is closed with this disposition."""
        above = self.approval.closing_above
        amounts = [Decimal(each) for each in (case.amount_at_risk, case.amount_before_split) if each is not None]
        if above is not None and any(each > above for each in amounts):
            return True
        return self.approval.confirmed_fraud and disposition == "confirmed_fraud"

    def amount_at_risk(self, totals: Mapping[str, str]) -> str | None:
        """The sum of `totals` (decimal strings by currency) in the base currency, rounded to its unit; None without a
        base. Currencies without a rate are left out, and None is returned if none is left."""
        if self.base is None:
            return None
        rates = {**self.rates, self.base: Decimal(1)}
        known = [Decimal(amount) * rates[code] for code, amount in totals.items() if code in rates]
        if not known:
            return None
        return str(sum(known, Decimal()).quantize(Decimal(1).scaleb(-EXPONENTS[self.base])))


NO_POLICY: Final = CasePolicy()
