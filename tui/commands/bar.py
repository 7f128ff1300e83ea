"""The bar that counts clips while a command is busy with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from earmark.tui.commands.outlet import unfiltered


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal, until this is left; yields what tells it how many are done and
    how many there are.

    It moves by control sequences, which the filter would spell out. Nothing of the data is in it, only `what`.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with (
        unfiltered(),
        Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as bar,
    ):
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
