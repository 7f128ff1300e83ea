"""`earmark status`: how much waits, is decided, is unsent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from earmark.tui.commands.common import Invocation, batch_of, invocation, journal_folder, open_review_store_of, plural

if TYPE_CHECKING:
    from earmark.queue.journal.reading import Standing
    from earmark.queue.offline.batch_file import BatchFolder
    from earmark.tui.settings import Settings


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, help="For programs: at_hand, decided, unsynced, store, set_aside, offline."
)
@invocation
def status(given: Invocation, as_json: bool) -> None:
    """Show how much is at hand, decided, unsynced, in the store and checked out.

    \b
    Examples:
      earmark status
      earmark status --json
    """
    from earmark.queue.journal.reading import arrived, read_quarantine, standing
    from earmark.queue.store.interface import StoreError

    settings = given.settings()
    batch = batch_of(settings)
    try:
        store, settings = open_review_store_of(settings)
    except StoreError as error:
        if batch is None:
            raise
        _offline(settings, batch, as_json=as_json, why=str(error))
        return
    try:
        if batch is not None:
            from earmark.queue.offline.checkin import withdraw

            withdraw(batch, None, store)
        counts = store.counts(settings.reviewer_name)
        folder = journal_folder(settings, store.id)
        own = standing(folder)
        there = arrived(folder, store.head(own.device)) if own.device else 0
        aside = len(read_quarantine(folder))
    finally:
        store.close()
    told = {
        "at_hand": counts.at_hand,
        "decided": own.decided,
        "unsynced": max(0, own.seq - there),
        "store": counts.clips,
    }
    if as_json:
        import json

        click.echo(json.dumps({**told, **({"set_aside": aside} if aside else {}), **_facts(batch)}))
        return
    click.echo(f"at hand   {plural(told['at_hand'], 'clip')} that you could review now")
    _tell_own(own, told["unsynced"])
    if aside:
        click.echo(f"set aside {plural(aside, 'line')} by the store; `earmark journal show --quarantine` says why")
    gone = f", and {counts.withdrawn:,} withdrawn" if counts.withdrawn else ""
    click.echo(f"store     {plural(told['store'], 'clip')}, {counts.decided:,} done by everybody{gone}")
    _tell_batch(batch)


def _offline(settings: Settings, batch: BatchFolder, *, as_json: bool, why: str) -> None:
    """What can be said without the store."""
    from earmark.queue.journal.reading import standing
    from earmark.tui.offline import theirs, unsent

    own = standing(journal_folder(theirs(settings, batch), batch.header.store))
    waiting = unsent(batch, own.device, own.seq)
    if as_json:
        import json

        click.echo(json.dumps({"decided": own.decided, "unsynced": waiting, **_facts(batch)}))
        return
    _tell_own(own, waiting)
    click.echo(f"store     not reached: {why}")
    _tell_batch(batch)


def _tell_own(own: Standing, waiting: int) -> None:
    told_apart = ", ".join(f"{count:,} {verdict}" for verdict, count in own.verdicts.items())
    click.echo(f"decided   {plural(own.decided, 'clip')} by you" + (f": {told_apart}" if told_apart else ""))
    click.echo(f"unsynced  {plural(waiting, 'line')} of your journal not in the store yet")


def _tell_batch(batch: BatchFolder | None) -> None:
    if batch is not None:
        from earmark.tui.offline import told

        click.echo(f"offline   {told(batch)}")


def _facts(batch: BatchFolder | None) -> dict[str, object]:
    """For programs: `offline` has how many clips are here, and until when (Unix seconds)."""
    return {} if batch is None else {"offline": {"clips": len(batch.held()), "until": batch.header.expires}}
