"""`earmark checkout`: clips for days without a network."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.tui.commands.common import (
    Invocation,
    batch_of,
    invocation,
    journal_folder,
    open_review_store_of,
    plural,
    tell_of,
)
from earmark.tui.version import VERSION

if TYPE_CHECKING:
    from earmark.queue.offline.batch_file import BatchFolder
    from earmark.queue.store.interface import Leased, ReviewStore

DAYS = 3.0


@click.command()
@click.argument("count", type=click.IntRange(1, 1000), metavar="N")
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True),
    default=DAYS,
    metavar="D",
    help="For how long; the store may allow less.  [default: 3]",
)
@click.option("--lang", metavar="CODE", help="Only clips of this language, such as de.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Lock them with an age identity, or with an SSH Ed25519 key that has no passphrase and its .pub beside it, in "
    "place of a passphrase; needs earmark[age].",
)
@invocation
def checkout(given: Invocation, count: int, days: float, lang: str | None, key_file: Path | None) -> None:
    """Take N clips along, encrypted, to review them without a network for some days.

    `earmark review` uses them by itself; `earmark checkin` sends what was decided and gives the others back. When it
    was cut off, run it again: it goes on where it was. N, at most 1000, is how many there are to be in all.

    \b
    Examples:
      earmark checkout 200
      earmark checkout 50 --days 1 --lang de
      earmark checkout 200 --key ~/.ssh/id_ed25519
    """
    from earmark.queue.journal import Journal
    from earmark.queue.offline import checkin
    from earmark.queue.offline import checkout as steps
    from earmark.queue.offline.batch_file import open_batch
    from earmark.queue.offline.clock import read_clocks
    from earmark.queue.store.interface import StoreError
    from earmark.queue.sync import erase_withdrawn, send
    from earmark.tui.offline import key_to, name_of, new_lock, told

    settings = given.settings(lang=lang)
    batch = batch_of(settings)
    wanted = steps.Wanted(count, days * 86400, settings.lang)
    with ExitStack() as stack:
        store, settings = open_review_store_of(settings)
        stack.callback(store.close)
        folder = journal_folder(settings, store.id)
        place = settings.home_path / "batches" / folder.name
        batch = batch or open_batch(place)
        if batch is not None and batch.header.url != name_of(settings.store_url):
            raise click.ClickException(
                f"clips of this store are checked out by the name {batch.header.url}: "
                f"check them in first, with --store {batch.header.url}"
            )
        journal = stack.enter_context(Journal.open(folder, settings.reviewer_name, app=VERSION))
        # What was decided must have arrived before anything is leased, or it would be leased again.
        if batch is None:
            erase_withdrawn(journal, store.withdrawn()[1])
            sent = send(journal, store)
            tell_of(sent)
            lock, wrapping = new_lock(key_file)
            batch, key, leased = steps.begin(
                store, place, name_of(settings.store_url), settings.reviewer_name, wanted, lock, wrapping, read_clocks()
            )
            batch.note_contact(read_clocks(), journal.device, sent.head.seq)
            if batch.header.expires - batch.seen.contact < wanted.seconds - 60:
                click.echo("The store does not lease clips for that long; it gave what it allows.", err=True)
        else:
            _, sent = checkin.meet(batch, journal, store, read_clocks())
            tell_of(sent)
            key = key_to(batch, key_file)
            leased = steps.go_on(store, batch, wanted, read_clocks())
        try:
            _fetch(store, batch, key, leased)
        except (StoreError, KeyboardInterrupt) as error:
            here, planned = len(batch.held()), len(batch.plan.slots)
            why = str(error) or "Stopped"
            raise click.ClickException(
                f"{why}. {here:,} of {plural(planned, 'clip')} are here and can be reviewed; "
                f"`earmark checkout {count}` goes on."
            ) from None
    if len(batch.plan.slots) < count:
        click.echo(f"There were no more than {plural(len(batch.plan.slots), 'clip')} to be had.", err=True)
    click.echo(f"{told(batch)}. `earmark review` needs no network till then; `earmark checkin` sends what you decide.")


def _fetch(store: ReviewStore, batch: BatchFolder, key: bytes, leased: list[Leased]) -> None:
    from earmark.queue.offline.checkout import fetch
    from earmark.tui.commands.bar import counting

    with counting("checking out") as counted:
        fetch(store, batch, key, leased, counted)
