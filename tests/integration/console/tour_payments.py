"""The payments of the tour: three customers, and a shop at which one of their cards is misused."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fraudstream.client import AsyncGatewayClient, GatewayAnswer

FRAUDSTREAM: Final = (sys.executable, "-m", "fraudstream.cli.main")
RUN: Final = int(time.time()) % 1_000  # so that the tour can be taken again beside the same `up`
SHOP, GROCER = f"shop-{RUN:03d}", "grocer-maple"
VICTIM, EARLIER, LATER = f"acct-tour-4{RUN:03d}", f"acct-tour-5{RUN:03d}", f"acct-tour-6{RUN:03d}"
HABIT: Final = ("24.90", "31.20", "18.75", "27.40")  # what each customer pays at the grocer's first
DEADLINE_MS: Final = 10_000


async def run(*arguments: str, environment: Mapping[str, str]) -> str:
    """What a command prints; asserts that it succeeds."""
    process = await asyncio.create_subprocess_exec(
        *FRAUDSTREAM, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(environment)
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, f"{arguments}: {errors.decode()}{out.decode()}"
    return out.decode()


class TourPayments:
    """Sends payments to the gateway at the address `gateway`, and asks `fraudstream explain` about them."""

    def __init__(self, gateway: str, environment: Mapping[str, str]) -> None:
        self._gateway, self._environment = gateway, environment
        self._numbers = itertools.count(1)

    async def send(self, payment: dict[str, Any]) -> dict[str, Any]:
        """The decision, by `fraudstream send`."""
        command = ("send", "--url", self._gateway, "--deadline-ms", str(DEADLINE_MS), json.dumps(payment))
        decision: dict[str, Any] = json.loads(await run(*command, environment=self._environment))
        return decision

    def purchase(self, account: str, amount: str, shop: str = SHOP) -> dict[str, Any]:
        """A purchase online, now, from the customer's own phone."""
        return {
            "event_id": f"tour-{RUN:03d}-{next(self._numbers):03d}",
            "occurred_at": int(time.time() * 1000),
            "account_id": account,
            "amount": amount,
            "currency": "EUR",
            "direction": "debit",
            "kind": "purchase",
            "channel": "web",
            "mcc": "5732",
            "merchant_id": shop,
            "device_id": f"phone-{account[-4:]}",
            "country": "DE",
            "card_present": False,
        }

    async def habits(self, accounts: Sequence[str]) -> None:
        """What each account usually buys, all of it allowed."""
        async with AsyncGatewayClient(self._gateway) as gateway:
            for account in accounts:
                for amount in HABIT:
                    answer = await gateway.decide(self.purchase(account, amount, GROCER), deadline_ms=DEADLINE_MS)
                    assert answer.outcome == "allow", answer

    async def largest_allowed(self, amounts: Sequence[str]) -> str:
        """The largest amount that is still allowed to such a customer, at a shop of which nothing is known.

        Each is tried by a customer of its own, as a payment changes what is usual."""
        allowed = [amount for number, amount in enumerate(amounts) if await self._is_allowed(number, amount)]
        assert allowed, f"none of {amounts} is allowed"
        return allowed[-1]

    async def _is_allowed(self, number: int, amount: str) -> bool:
        account = f"acct-trial-{RUN:03d}-{number:04d}"
        await self.habits([account])
        async with AsyncGatewayClient(self._gateway) as gateway:
            answer = await gateway.decide(
                self.purchase(account, amount, f"shop-{RUN:03d}-{number}"), deadline_ms=DEADLINE_MS
            )
        return answer.outcome == "allow"

    async def misuse(self, account: str) -> GatewayAnswer:
        """Two tiny purchases that try out a card, then a large one at the shop; the decision on that."""
        async with AsyncGatewayClient(self._gateway) as gateway:
            for shop in ("songs-9", "stickers-3"):
                await gateway.decide(self.purchase(account, "1.00", shop), deadline_ms=DEADLINE_MS)
            return await gateway.decide(self.purchase(account, "489.00"), deadline_ms=DEADLINE_MS)

    async def explained(self, decision: Mapping[str, Any]) -> str:
        """What `fraudstream explain` prints of the decision."""
        event, account = decision["event_id"], decision["account_id"]
        return await run("explain", "--event", event, "--account", account, environment=self._environment)
