"""`earmark withdraw`: a customer took a recording back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

import click

from earmark.tui.commands.common import (
    Invocation,
    batch_of,
    invocation,
    journal_folder,
    known_to,
    open_store_of,
    plural,
    tell_of,
)
from earmark.tui.version import VERSION


@click.command()
@click.argument("clips", nargs=-1, metavar="[CLIP]...")
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    metavar="NAME",
    help="Everything of this person, now and when it is loaded later.",
)
@click.option(
    "--from",
    "file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Clip ids, one a line; - reads standard input.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@invocation
def withdraw(
    given: Invocation, clips: tuple[str, ...], subjects: tuple[str, ...], file: TextIO | None, yes: bool
) -> None:
    """Erase clips for good: from the store, from every batch and from the results. This cannot be undone.

    \b
    Examples:
      earmark withdraw 5f0c…
      earmark withdraw --subject customer-1729
      earmark withdraw --from deleted.txt
    """
    from earmark.queue.journal import Journal, JournalBusy
    from earmark.queue.store.interface import Unknown
    from earmark.queue.sync import erase_withdrawn, send
    from earmark.queue.text import clean_subject

    named = list(clips)
    if file is not None:
        named += [line.strip() for line in file if line.strip()]
    if not named and not subjects:
        raise click.UsageError("name a clip, a --subject or a --from FILE.")
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody is here to ask: --yes erases without asking.")
        what = " and ".join(filter(None, [plural(len(named), "clip") if named else "", *map(repr, subjects)]))
        click.confirm(f"Erase {what} for good?", abort=True, err=True)
    settings = given.settings()
    batch = batch_of(settings)
    store = open_store_of(settings)
    settings = known_to(store, settings)
    unknown: tuple[str, ...] = ()
    try:
        gone = 0
        for subject in subjects:
            gone += store.withdraw_subject(clean_subject(subject))
        if named:
            before = store.withdrawn()[0]
            try:
                store.withdraw(named)
            except Unknown as error:
                unknown = error.clips
            gone += len(store.withdrawn(before)[1])
        folder = journal_folder(settings, store.id)
        if Path(folder).is_dir():
            try:
                with Journal.open(folder, settings.reviewer_name, app=VERSION) as journal:
                    if batch is not None:
                        batch.remove(store.withdrawn()[1])
                    erase_withdrawn(journal, store.withdrawn()[1])
                    tell_of(send(journal, store))
            except JournalBusy:
                if gone:
                    click.echo("The review screen is open; it drops the clips within a minute.", err=True)
    finally:
        store.close()
    if subjects and not gone:
        click.echo("No clip here is known as theirs: was it loaded with --subject-field?", err=True)
    click.echo(
        f"{plural(gone, 'clip')} withdrawn." + (" Later clips of that person will be refused." if subjects else "")
    )
    if unknown:
        raise click.ClickException(f"the store has no clip {', '.join(unknown[:5])}{' …' if len(unknown) > 5 else ''}")
