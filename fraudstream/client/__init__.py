"""A client of the gateway, for Python programs: `GatewayClient`, and `AsyncGatewayClient` for asyncio.

from fraudstream.client import GatewayClient

with GatewayClient("http://127.0.0.1:8470") as gateway:
    answer = gateway.decide(payment, deadline_ms=100)
    if answer.outcome_to_follow == "block": ...
"""

from fraudstream.client.answers import GatewayAnswer, GatewayError, PaymentRefusedError
from fraudstream.client.clients import AsyncGatewayClient, GatewayClient

__all__ = ["AsyncGatewayClient", "GatewayAnswer", "GatewayClient", "GatewayError", "PaymentRefusedError"]
