"""`earmark status`: how much waits, is decided, is unsent."""

from __future__ import annotations

import click

from earmark.tui.commands.common import Invocation, invocation, journal_folder, open_review_store_of, plural


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: at_hand, decided, unsynced, store.")
@invocation
def status(given: Invocation, as_json: bool) -> None:
    """Show how much is at hand, decided, unsynced and in the store.

    \b
    Examples:
      earmark status
      earmark status --json
    """
    from earmark.queue.journal.reading import standing

    store, settings = open_review_store_of(given.settings())
    try:
        counts = store.counts(settings.reviewer_name)
        own = standing(journal_folder(settings, store.id))
        arrived = store.head(own.device).seq if own.device else 0
    finally:
        store.close()
    told = {
        "at_hand": counts.at_hand,
        "decided": own.decided,
        "unsynced": max(0, own.seq - arrived),
        "store": counts.clips,
    }
    if as_json:
        import json

        click.echo(json.dumps(told))
        return
    click.echo(f"at hand   {plural(told['at_hand'], 'clip')} that you could review now")
    told_apart = ", ".join(f"{count:,} {verdict}" for verdict, count in own.verdicts.items())
    click.echo(f"decided   {plural(told['decided'], 'clip')} by you" + (f": {told_apart}" if told_apart else ""))
    click.echo(f"unsynced  {plural(told['unsynced'], 'line')} of your journal not in the store yet")
    gone = f", and {counts.withdrawn:,} withdrawn" if counts.withdrawn else ""
    click.echo(f"store     {plural(told['store'], 'clip')}, {counts.decided:,} done by everybody{gone}")
