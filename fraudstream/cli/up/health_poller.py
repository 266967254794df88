"""Polls the readiness and the metrics of the child processes over HTTP, for the board."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from fraudstream.cli.command_process import CommandProcess

INTERVAL_S: Final = 1.0
ANSWER_S_MAX: Final = 2.0
_PREFIX = "fraudstream_"


async def poll(processes: Sequence[CommandProcess]) -> None:
    """Keep the `status` of each process up to date, until cancelled."""
    while True:
        for process in processes:
            if process.status.status in ("starting", "ready"):
                await _poll_once(process)
        await asyncio.sleep(INTERVAL_S)


async def _poll_once(process: CommandProcess) -> None:
    url = process.status.metrics_url
    if not url:
        return
    started_at_s = process.child.started_at_s
    fault, values = await asyncio.to_thread(_answers, url)
    if process.child.started_at_s != started_at_s or process.status.status not in ("starting", "ready"):
        return  # it has exited meanwhile
    process.status.status = "ready" if fault is None else "starting"
    process.status.detail = fault if fault is not None else _summary(values)


def _answers(url: str) -> tuple[str | None, Mapping[str, float]]:
    """Why the process is not ready, None if it is; and its metrics by name, each summed over its labels."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=ANSWER_S_MAX):
            pass
        with urllib.request.urlopen(f"{url}/metrics", timeout=ANSWER_S_MAX) as answer:
            return None, _sums(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace").strip() or str(error), {}
    except OSError:
        return "does not answer", {}


def _sums(page: str) -> dict[str, float]:
    """Our metrics on a page in Prometheus' text format, without prefix, each summed over its labels.

    >>> _sums('# HELP x\\nfraudstream_lag_records{partition="0"} 2.0\\nfraudstream_lag_records{partition="1"} 3.0\\n')
    {'lag_records': 5.0}
    """
    sums: dict[str, float] = defaultdict(float)
    for line in page.splitlines():
        if line.startswith(_PREFIX):
            name, _, value = line.rpartition(" ")
            sums[name.partition("{")[0].removeprefix(_PREFIX)] += float(value)
    return dict(sums)


def _summary(values: Mapping[str, float]) -> str:
    """The metrics that the board shows of a worker, the gateway, the history or the case agent.

    >>> _summary({"gateway_in_flight_payments": 0.0, "gateway_answers_total": 12.0, "lag_records": 0.0})
    '12 answers, 0 in flight'
    >>> _summary({"history_expired_rows_total": 0.0, "history_rows_total": 40.0, "lag_records": 3.0})
    '40 rows kept, lag 3'
    """

    def count(name: str) -> str:
        return f"{values.get(name, 0):,.0f}"

    if "payments_total" in values:
        decided = f"{count('payments_total')} decided, {count('state_rows')} accounts, lag {count('lag_records')}"
        faults = {
            "misplaced": "misplaced_records_total",
            "held back by a transaction": "unstable_records",
            "partitions stopped": "stopped_partitions",
        }
        return ", ".join([decided, *(f"{count(name)} {what}" for what, name in faults.items() if values.get(name))])
    if "gateway_in_flight_payments" in values:
        return f"{count('gateway_answers_total')} answers, {count('gateway_in_flight_payments')} in flight"
    if "history_expired_rows_total" in values:
        return f"{count('history_rows_total')} rows kept, lag {count('lag_records')}"
    return f"{count('case_alerts_total')} alerts grouped, lag {count('lag_records')}"
