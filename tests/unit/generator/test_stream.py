"""Generated payments: deterministic, in order, valid, and of every promised kind."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from fraudstream.contracts import EXPONENTS, Payment
from fraudstream.generator.parameters import TYPOLOGIES
from fraudstream.generator.places import FAR, TOWNS
from fraudstream.generator.plan import GeneratorPlan
from fraudstream.generator.stream import stream

START_MS = 1_735_689_600_000
DAY_MS = 86_400_000
FAR_COUNTRIES = {TOWNS[town].country for town in FAR}


class Columns(NamedTuple):
    """A stream in one piece."""

    payments: list[Payment]
    occurred_at_ms: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    typologies: list[str | None]


def payments_of(plan: GeneratorPlan, n: int) -> list[Payment]:
    return [payment for batch in stream(plan, n) for payment in batch.payments]


def columns_of(plan: GeneratorPlan, n: int) -> Columns:
    batches = list(stream(plan, n))
    return Columns(
        [payment for batch in batches for payment in batch.payments],
        np.concatenate([batch.occurred_at_ms for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
        [typology for batch in batches for typology in batch.typologies],
    )


def test_the_same_plan_gives_the_same_bytes_however_much_is_read() -> None:
    plan = GeneratorPlan(START_MS, seed=7, accounts=500)
    assert msgspec.json.encode(payments_of(plan, 3_000)) == msgspec.json.encode(payments_of(plan, 9_000)[:3_000])


def test_another_seed_gives_other_payments() -> None:
    first, second = (payments_of(GeneratorPlan(START_MS, seed=seed, accounts=500), 500) for seed in (1, 2))
    assert not {payment.event_id for payment in first} & {payment.event_id for payment in second}
    assert [payment.amount for payment in first] != [payment.amount for payment in second]


def test_two_runs_of_one_seed_differ_only_in_their_event_ids() -> None:
    first, second = (payments_of(GeneratorPlan(START_MS, accounts=500, run=run), 500) for run in ("monday", "tuesday"))
    assert not {payment.event_id for payment in first} & {payment.event_id for payment in second}
    renamed = [msgspec.structs.replace(payment, event_id="e") for payment in first]
    assert renamed == [msgspec.structs.replace(payment, event_id="e") for payment in second]


def test_times_never_go_backwards_and_ids_never_repeat() -> None:
    batch = columns_of(GeneratorPlan(START_MS, accounts=500, history_ms=DAY_MS, rate=50), 20_000)
    assert (np.diff(batch.occurred_at_ms) >= 0).all()
    assert batch.occurred_at_ms.tolist() == [payment.occurred_at for payment in batch.payments]
    assert len({payment.event_id for payment in batch.payments}) == 20_000


def test_every_payment_is_valid_under_the_contract_and_its_currency() -> None:
    payments = payments_of(GeneratorPlan(START_MS, accounts=2_000), 20_000)
    decoded = msgspec.json.decode(msgspec.json.encode(payments), type=list[Payment])
    assert decoded == payments
    for payment in payments:
        assert len(payment.amount.partition(".")[2]) == EXPONENTS[payment.currency]
        assert float(payment.amount) > 0
    assert {"EUR", "JPY", "KWD"} <= {payment.currency for payment in payments}


def test_each_typology_occurs_and_fraud_has_the_requested_share() -> None:
    batch = columns_of(GeneratorPlan(START_MS, accounts=5_000, fraud_share=0.01), 60_000)
    found = Counter(typology for typology in batch.typologies if typology)
    assert set(found) == set(TYPOLOGIES)
    assert sum(found.values()) == batch.labels.sum()
    assert batch.labels.mean() == pytest.approx(0.01, rel=0.2)


def test_a_fraud_share_of_zero_generates_no_fraud() -> None:
    assert columns_of(GeneratorPlan(START_MS, accounts=500, fraud_share=0), 5_000).labels.sum() == 0


def test_dormant_accounts_paid_months_ago_before_their_fraud() -> None:
    batch = columns_of(GeneratorPlan(START_MS, accounts=5_000, fraud_share=0.02), 60_000)
    by_account: dict[str, list[tuple[int, str | None]]] = {}
    for payment, at_ms, typology in zip(batch.payments, batch.occurred_at_ms, batch.typologies, strict=True):
        by_account.setdefault(payment.account_id, []).append((int(at_ms), typology))
    reactivated = [rows for rows in by_account.values() if any(typology == "dormant_waking" for _, typology in rows)]
    assert reactivated
    for rows in reactivated:
        gaps = [later - earlier for (earlier, _), (later, typology) in pairwise(rows) if typology == "dormant_waking"]
        assert max(gaps) > 60 * DAY_MS


def test_history_has_the_natural_rate_and_the_live_part_the_requested_rate() -> None:
    plan = GeneratorPlan(START_MS, accounts=1_000, history_ms=28 * DAY_MS, rate=20)
    batches = list(stream(plan, 60_000))
    past = sum(len(b.payments) for b in batches if not b.live)
    assert past == pytest.approx(28 * 1_000 * 1.5 + 1_000, rel=0.1)  # and one earlier payment of each account
    assert all((b.occurred_at_ms < START_MS).all() for b in batches if not b.live)
    live = [b for b in batches if b.live]
    seconds = (live[-1].occurred_at_ms[-1] - START_MS) / 1000
    assert sum(len(b.payments) for b in live) / seconds == pytest.approx(20, rel=0.1)


def test_genuine_accounts_travel_abroad() -> None:
    batch = columns_of(GeneratorPlan(START_MS, accounts=2_000), 60_000)
    abroad = [
        p
        for p, fraud in zip(batch.payments, batch.labels, strict=True)
        if p.country in FAR_COUNTRIES and p.card_present and not fraud
    ]
    assert abroad


def test_payments_max_is_kept_exactly() -> None:
    assert len(payments_of(GeneratorPlan(START_MS, accounts=500), 777)) == 777
