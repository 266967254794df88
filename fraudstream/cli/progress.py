"""A progress bar on stderr that counts payments and alerts; nothing where nobody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def payments_progress(what: str, total: int | None, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Yields a function to call with the payments and the alerts of each batch."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[alerts]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=total, rate="", alerts="")
        found = 0

        def advance(payments: int, alerts: int) -> None:
            nonlocal found
            found += alerts
            speed = progress.tasks[0].speed
            rate = f"{speed:,.0f}/s" if speed else ""
            progress.update(task, advance=payments, rate=rate, alerts=f"{found:,} alerts" if found else "")

        yield advance
