"""`earmark sync`: send what is unsent, fetch withdrawals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from earmark.tui.commands.common import Invocation, batch_of, invocation, journal_folder, open_review_store_of, plural
from earmark.tui.version import VERSION

if TYPE_CHECKING:
    from earmark.queue.sync import Sent


@click.command()
@invocation
def sync(given: Invocation) -> None:
    """Send decisions to the store and fetch withdrawals. An open review screen does this by itself.

    \b
    Examples:
      earmark sync
      earmark --store sqlite:////srv/earmark sync
      earmark --store ssh://host sync
    """
    from earmark.queue.journal import Journal, JournalBusy
    from earmark.queue.stamp import told_time
    from earmark.queue.sync import erase_withdrawn, retire, send

    settings = given.settings()
    batch = batch_of(settings)
    store, settings = open_review_store_of(settings)
    try:
        folder = journal_folder(settings, store.id)
        try:
            journal = Journal.open(folder, settings.reviewer_name, app=VERSION)
        except JournalBusy:
            if batch is not None:
                raise
            click.echo("The review screen is open and syncs by itself; nothing to do.")
            return
        with journal:
            if batch is not None:
                from earmark.queue.offline.checkin import meet
                from earmark.queue.offline.clock import read_clocks

                erased, sent = meet(batch, journal, store, read_clocks())
            else:
                erased = erase_withdrawn(journal, store.withdrawn()[1])
                sent = send(journal, store)
            if settings.keep_days:
                retire(journal, sent.head.seq, told_time(days_ago=settings.keep_days))
        tell(sent, erased)
        if sent.quarantined:
            raise click.exceptions.Exit(1)
    finally:
        store.close()


def tell(sent: Sent, erased: int) -> None:
    """Say what was sent, what was erased, and what the store set aside."""
    click.echo(
        f"{plural(sent.arrived, 'line')} sent, {sent.unsent} not sent; {plural(erased, 'withdrawn clip')} erased here."
    )
    for one in sent.quarantined:
        click.echo(f"line {one.seq} was set aside by the store: {one.reason}", err=True)
    if sent.renewed:
        from earmark.tui.opening import GOES_ON

        click.echo(GOES_ON, err=True)
