"""Progress bars on stderr; nothing where stderr is not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def reading_progress(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Yields a function to call with the name of a partition, the records read of it, and how many there are."""
    console = Console(stderr=True)
    columns = (TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda name, done, total: progress.update(task, description=name, completed=done, total=total)


@contextmanager
def payments_progress(what: str, total: int | None, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Yields a function to call with the payments and the alerts of each batch, for a bar that counts both."""
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
