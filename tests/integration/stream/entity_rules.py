"""Rules that count payments by one, two or three entities, and payments that have all of them."""

from __future__ import annotations

from tests.integration.stream.cluster import StreamCluster
from tests.integration.stream.list_rules import LISTS
from tests.integration.stream.payments import payment
from tests.integration.stream.rules import RULES

STAGES = ("account", "device", "merchant")
FEATURES = "{0}.payments_30d: {{aggregate: count, window: 30d{1}}}"


def rules_of(*entities: str, where: str = "") -> dict[str, str]:
    """Rules whose messages have the count of each entity, and a rule that fires for a listed device."""
    keys = "".join(f"  {name}: {{key: {name}_id, slots: 64, panes: {{width: 2d, count: 16}}}}\n" for name in entities)
    features = "".join(f"  {FEATURES.format(name, where)}\n" for name in entities)
    counted = " and ".join(f"{name}.payments_30d >= 2" for name in entities)
    message = " ".join(f"{{{name}.payments_30d}}" for name in entities)
    rule = RULES["test/counted.yaml"].replace("account.payments_30d >= 2", counted)
    return {
        "features.yaml": f"version: 1\nentities:\n{keys}features:\n{features}",
        "score.yaml": RULES["score.yaml"],
        "lists.yaml": LISTS,
        "test/counted.yaml": rule.replace('"{account.payments_30d}"', f'"{message}"'),
        "test/stolen.yaml": rule.replace("0b6f6c1e", "1b6f6c1e")
        .replace(counted, "device_id in lists.stolen_devices")
        .replace('"{account.payments_30d}"', '"{device_id}"'),
    }


ONE, TWO, THREE = (rules_of(*STAGES[:count]) for count in (1, 2, 3))


async def publish(cluster: StreamCluster, numbers: range) -> None:
    """Publish payments by their numbers."""
    await cluster.publish_records(
        (f"a{n % 20}".encode(), payment(n, f"a{n % 20}", device_id=f"d{n % 7}", merchant_id=f"m{n % 3}"))
        for n in numbers
    )
