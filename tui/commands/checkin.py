"""`earmark checkin`: what was decided offline goes to the store, and the clips go back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from earmark.tui.commands.common import (
    Invocation,
    batch_of,
    invocation,
    journal_folder,
    open_review_store_of,
    plural,
)
from earmark.tui.commands.sync import tell
from earmark.tui.version import VERSION

if TYPE_CHECKING:
    from earmark.queue.journal import Journal
    from earmark.queue.offline.batch_file import BatchFolder


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask, even where unfinished texts would be lost.")
@invocation
def checkin(given: Invocation, yes: bool) -> None:
    """Send what was decided offline, give the other clips back, and destroy the copies here. Needs no passphrase.

    What was decided goes to the store even when the clips' time has run out.

    \b
    Examples:
      earmark checkin
      earmark checkin --yes
    """
    from earmark.queue.journal import Journal
    from earmark.queue.offline import checkin as steps
    from earmark.queue.offline.batch_file import open_batch
    from earmark.queue.offline.clock import read_clocks
    from earmark.queue.sync import erase_withdrawn, send

    settings = given.settings()
    batch = batch_of(settings)
    store, settings = open_review_store_of(settings)
    try:
        folder = journal_folder(settings, store.id)
        batch = batch or open_batch(settings.home_path / "batches" / folder.name)
        with Journal.open(folder, settings.reviewer_name, app=VERSION) as journal:
            if batch is None:
                erased = erase_withdrawn(journal, store.withdrawn()[1])
                sent = send(journal, store)
            else:
                erased, sent = steps.meet(batch, journal, store, read_clocks())
            tell(sent, erased)
            if batch is None:
                click.echo("Nothing is checked out here.")
            elif sent.quarantined:
                # Their texts may be nowhere else: whoever mends the store can have them sent again.
                click.echo(
                    "The clips stay here for now; `earmark checkin` again gives them back all the same.", err=True
                )
            else:
                _ask(batch, journal, yes)
                count = steps.give_back(batch, store)
                click.echo(f"{plural(count, 'clip')} given back; nothing of them is left here.")
        if sent.quarantined:
            raise click.exceptions.Exit(1)
    finally:
        store.close()


def _ask(batch: BatchFolder, journal: Journal, yes: bool) -> None:
    """Texts that were left unfinished offline open with the batch alone."""
    last = {entry.clip: entry for entry in journal.entries()}
    clips = {slot.clip for slot in batch.plan.slots}
    lost = sum(entry.sealed and entry.verdict is None and clip in clips for clip, entry in last.items())
    if not lost:
        return
    words = f"{plural(lost, 'text')} that you left unfinished {'goes' if lost == 1 else 'go'} with the clips"
    if yes or not sys.stdin.isatty():
        click.echo(f"{words}.", err=True)
    else:
        click.confirm(f"{words}. Check in all the same?", abort=True, err=True)
