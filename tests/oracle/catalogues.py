"""Catalogues with every aggregate, over rings that hold all, rings that overflow at once, and panes behind them."""

from __future__ import annotations

_ACCOUNT = """
  account.count_1m: {aggregate: count, window: 1m}
  account.count_1h: {aggregate: count, window: 1h, includes: false}
  account.debits_1d: {aggregate: count, window: 1d, where: direction == "debit"}
  account.small_30d: {aggregate: count, window: 30d, where: amount <= 5}
  account.count_delayed: {aggregate: count, window: 1h, delay: 1m}
  account.count_delayed_7d: {aggregate: count, window: 30d, delay: 7d}
  account.sum_1h: {aggregate: sum, of: amount, window: 1h}
  account.sum_30d: {aggregate: sum, of: amount, window: 30d, includes: false, where: direction == "debit"}
  account.mean_1h: {aggregate: mean, of: amount, window: 1h}
  account.mean_30d: {aggregate: mean, of: amount, window: 30d, includes: false}
  account.min_1d: {aggregate: min, of: amount, window: 1d, includes: false}
  account.max_1d: {aggregate: max, of: amount, window: 1d}
  account.max_30d: {aggregate: max, of: amount, window: 30d, where: card_present}
  account.min_30d: {aggregate: min, of: amount, window: 30d}
  account.std_1h: {aggregate: std, of: amount, window: 1h}
  account.std_30d: {aggregate: std, of: amount, window: 30d, includes: false}
  account.median_1h: {aggregate: median, of: amount, window: 1h}
  account.median_30d: {aggregate: median, of: amount, window: 30d, includes: false, where: direction == "debit"}
  account.same_device_median_7d: {aggregate: median, of: amount, same: device_id, window: 7d}
  account.median_delayed: {aggregate: median, of: amount, window: 7d, delay: 1h}
  account.devices_1d: {aggregate: distinct, of: device_id, window: 1d, includes: false}
  account.merchants_90d: {aggregate: distinct, of: merchant_id, window: 90d, where: not attributes.trusted}
  account.same_merchant_1d: {aggregate: count, same: merchant_id, window: 1d}
  account.same_device_sum_1h: {aggregate: sum, of: amount, same: device_id, window: 1h, includes: false}
  account.same_country_mean_90d: {aggregate: mean, of: amount, same: country, window: 90d}
  account.merchants_on_device_1d: {aggregate: distinct, of: merchant_id, same: device_id, window: 1d}
  account.fraud_1d: {aggregate: share, of: fraud, window: 1d}
  account.fraud_30d: {aggregate: share, of: fraud, window: 30d, delay: 1d, where: direction == "debit"}
  account.genuine_90d: {aggregate: share, of: genuine, window: 90d, same: merchant_id, includes: false}
  account.new_device_1h: {aggregate: first_seen, of: device_id, window: 1h}
  account.new_country_90d: {aggregate: first_seen, of: country, window: 90d}
  account.new_merchant_30d: {aggregate: first_seen, of: merchant_id, window: 30d, where: direction == "debit"}
  account.since_last: {aggregate: since_last}
  account.since_card: {aggregate: since_last, where: card_present}
  account.since_night: {aggregate: since_last, where: hour < 5}
  account.distance_km: {aggregate: distance}
  account.card_distance_km: {aggregate: distance, where: card_present}
  account.speed_kmh: {aggregate: speed, where: country != "DE"}
  account.age: {aggregate: age}
  account.last_country: {aggregate: last, of: country}
  account.last_currency: {aggregate: last, of: currency, where: direction == "debit"}
  account.last_card_country: {aggregate: last, of: country, where: card_present}
  account.z_log_30d: {aggregate: z_score, of: log_amount, window: 30d}
  account.z_log_same_device: {aggregate: z_score, of: log_amount, window: 7d, same: device_id, prior: 0.5, strength: 2}
  account.z_amount_1d: {aggregate: z_score, of: amount, window: 1d, where: direction == "debit", strength: 1}
  account.rare_merchant_30d: {aggregate: rarity, of: merchant_id, window: 30d}
  account.rare_hour_7d: {aggregate: rarity, of: hour, window: 7d}
  account.rare_weekday_90d: {aggregate: rarity, of: weekday, window: 90d, where: direction == "debit"}
  account.rare_time_1d: {aggregate: rarity, of: time_of_day, window: 1d, delay: 1m}
  account.rare_country_of_device: {aggregate: rarity, of: country, window: 30d, same: device_id}
"""

_DEVICE = """
  device.count_1d: {aggregate: count, window: 1d}
  device.sum_30d: {aggregate: sum, of: amount, window: 30d}
  device.mean_30d: {aggregate: mean, of: amount, window: 30d, includes: false}
  device.median_7d: {aggregate: median, of: amount, window: 7d, includes: false}
  device.accounts_1h: {aggregate: distinct, of: merchant_id, window: 1h}
  device.fraud_30d: {aggregate: share, of: fraud, window: 30d}
  device.new_merchant_1d: {aggregate: first_seen, of: merchant_id, window: 1d}
  device.since_last: {aggregate: since_last}
  device.distance_km: {aggregate: distance}
  device.age: {aggregate: age}
  device.last_country: {aggregate: last, of: country}
"""

_PEERS = """
  peers.count_1d: {aggregate: count, window: 1d, includes: false}
  peers.accounts_30d: {aggregate: distinct, of: account_id, window: 30d}
  peers.z_log_30d: {aggregate: z_score, of: log_amount, window: 30d, prior: 2}
  peers.fraud_30d: {aggregate: share, of: fraud, window: 30d}
"""

_BAND = """
  band.count_30d: {aggregate: count, window: 30d, includes: false}
  band.fraud_30d: {aggregate: share, of: fraud, window: 30d}
"""

_BY_PANE = """
  account.pane_count_30d: {aggregate: count, window: 30d, precision: pane}
  account.pane_sum_30d: {aggregate: sum, of: amount, window: 30d, precision: pane, includes: false}
"""


def _catalogue(account: str, device: str, peers: str, features: str) -> str:
    return (
        "version: 1\nattributes: {trusted: bool}\nentities:\n"
        f"  account: {{key: account_id, {account}}}\n"
        f"  device: {{key: device_id, {device}}}\n"
        f"  peers: {{key: [currency, direction, country], optional: [country], {peers}}}\n"
        f"  band: {{key: [hour, amount_band, merchant_id], {peers}}}\n"
        f"features:{features}"
    )


ROOMY = _catalogue("slots: 128", "slots: 128", "slots: 128", _ACCOUNT + _DEVICE + _PEERS + _BAND)
TIGHT = _catalogue("slots: 6", "slots: 5", "slots: 5", _ACCOUNT + _DEVICE + _PEERS + _BAND)
PANED = _catalogue(
    "slots: 4, panes: {width: 3d, count: 14}",
    "slots: 8, panes: {width: 1d, count: 32}",
    "slots: 4, panes: {width: 12h, count: 64}",
    _ACCOUNT + _DEVICE + _PEERS + _BAND + _BY_PANE,
)
CATALOGUES = {"roomy": ROOMY, "tight": TIGHT, "paned": PANED}
