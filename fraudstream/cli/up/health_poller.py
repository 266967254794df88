"""How our processes are: asks each for its readiness and its metrics, as a load balancer and Prometheus would."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from fraudstream.cli.child import Child

INTERVAL_S: Final = 1.0
ANSWER_S_MAX: Final = 2.0
_PREFIX = "fraudstream_"


async def watch(children: Sequence[Child]) -> None:
    """Keep the board's word on each process up to date, until cancelled."""
    while True:
        for child in children:
            if child.process.status in ("starting", "ready"):
                await _ask(child)
        await asyncio.sleep(INTERVAL_S)


async def _ask(child: Child) -> None:
    url = child.process.metrics_url
    if not url:
        return
    born = child.started_at
    fault, values = await asyncio.to_thread(_answers, url)
    if child.started_at != born or child.process.status not in ("starting", "ready"):
        return  # it died meanwhile
    child.process.status = "ready" if fault is None else "starting"
    child.process.detail = fault if fault is not None else _in_words(values)


def _answers(url: str) -> tuple[str | None, Mapping[str, float]]:
    """Why it is not ready, if so, and its metrics by name, added up over their labels."""
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
    """
    >>> _sums('# HELP x\\nfraudstream_lag_records{partition="0"} 2.0\\nfraudstream_lag_records{partition="1"} 3.0\\n')
    {'lag_records': 5.0}
    """
    sums: dict[str, float] = defaultdict(float)
    for line in page.splitlines():
        if line.startswith(_PREFIX):
            name, _, value = line.rpartition(" ")
            sums[name.partition("{")[0].removeprefix(_PREFIX)] += float(value)
    return dict(sums)


def _in_words(values: Mapping[str, float]) -> str:
    def count(name: str) -> str:
        return f"{values.get(name, 0):,.0f}"

    if "payments_total" in values:
        return f"{count('payments_total')} judged, {count('state_rows')} accounts, lag {count('lag_records')}"
    return f"{count('case_alerts_total')} alerts grouped, lag {count('lag_records')}"
