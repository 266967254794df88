"""Two rule sets that ask lists and differ in their threshold, for tests of controls."""

from __future__ import annotations

from tests.oracle.catalogues import CATALOGUES
from tests.property.rule_sets import RULES

LISTS = """
lists:
  devices: {of: device_id, kind: deny, description: gone}
  merchants: {of: merchant_id, kind: allow, description: trusted}
"""
ASKS = RULES["burst/far.yaml"].replace("00000003", "00000009").replace("status: shadow", "status: live")
LISTED = ASKS.replace("account.speed_kmh > 900", "device_id in lists.devices and merchant_id not in lists.merchants")
FIRST = {"features.yaml": CATALOGUES["paned"], **RULES, "lists.yaml": LISTS, "lists/asked.yaml": LISTED}
SECOND = {**FIRST, "score.yaml": RULES["score.yaml"].replace("threshold: 0.4", "threshold: 0.7")}
