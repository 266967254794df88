"""Rule sets that ask a deny list, for tests of controls: of one stage, of two stages, and with another threshold."""

from __future__ import annotations

from fraudstream.contracts.control import ListEntry
from fraudstream.engine.rule_set import compile_rule_set
from tests.integration.stream.rules import RULES

LISTS = "lists:\n  stolen_devices: {of: device_id, kind: deny, description: gone}\n"
ENTRY = ListEntry(list="stolen_devices", value="dev-8", by="r.holm", issued_at_ms=0)

_STOLEN = RULES["test/counted.yaml"].replace("account.payments_30d >= 2", "device_id in lists.stolen_devices")
OLD = {**RULES, "lists.yaml": LISTS, "test/counted.yaml": _STOLEN}
NEW = {**OLD, "score.yaml": "threshold: 0.8\nparts: []\n"}
OLD_DIGEST, NEW_DIGEST = (compile_rule_set(texts).digest for texts in (OLD, NEW))

_DEVICE_FEATURES = """  device: {key: device_id, slots: 16}
features:
  device.payments_1h: {aggregate: count, window: 1h}
"""
TWO_STAGES = {**OLD, "features.yaml": OLD["features.yaml"].replace("features:\n", _DEVICE_FEATURES)}

# As OLD and TWO_STAGES, with a list of networks in place of the devices.
_ASKS_NETWORKS = {
    "lists.yaml": "lists:\n  proxies: {of: ip_network, kind: watch, description: anonymous}\n",
    "test/counted.yaml": RULES["test/counted.yaml"].replace("account.payments_30d >= 2", "ip in_network lists.proxies"),
}
NETWORKS, NETWORKS_IN_TWO_STAGES = {**OLD, **_ASKS_NETWORKS}, {**TWO_STAGES, **_ASKS_NETWORKS}
