"""`earmark store copy`: a store on one machine becomes a team's."""

from __future__ import annotations

import click

from earmark.tui.commands.common import Invocation, invocation, plural


@click.command("copy")
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.option("--audio", metavar="URL", help="Where the sealed audio will lie: file:///FOLDER or s3://BUCKET/PREFIX.")
@invocation
def copy_command(given: Invocation, source: str, target: str, audio: str | None) -> None:
    """Copy the store SOURCE on one machine (sqlite:///FOLDER) into an empty database TARGET (postgresql://…).

    Clips, audio, decisions, leases, withdrawals and opt-outs go along, and so does the store's id: the reviewers'
    journals go on syncing there. The audio is sealed under fresh keys. Run again after it was stopped, it goes on; at
    the end it compares counts and hashes, and until then nobody can be let in. The source stays as it is: let nobody
    use it any more.

    \b
    Examples:
      createdb earmark
      export EARMARK_MASTER_KEY=/etc/earmark/master.key
      earmark store copy sqlite:////srv/clips postgresql:///earmark --audio file:///srv/earmark/audio
    """
    from pathlib import Path

    from earmark.tui.commands.store import master_of, url_of

    for url, scheme in ((source, "sqlite:///"), (target, "postgresql://")):
        if not url.startswith(scheme):
            raise click.UsageError(
                f"a store is copied from sqlite:///FOLDER to postgresql://…, and '{url}' is not {scheme}…"
            )
    settings = given.settings(store=target)
    url_of(settings)
    made_key, master = master_of(settings)

    from earmark.queue.store.copy import copy
    from earmark.tui.commands.bar import counting

    with counting("copying sound") as counted:
        copied = copy(
            Path(source.removeprefix("sqlite:///")).expanduser(),
            target,
            audio=audio,
            master=master,
            on_progress=counted,
        )
    if copied.before:
        click.echo("Nothing to do: the whole store has been copied there before.")
        return
    if made_key is not None:
        click.echo(f"The master key is in {made_key}. Keep a copy elsewhere: without it nobody can ever hear a clip.")
    for table, digest in copied.tables.items():
        click.echo(f"{digest.rows:>12,}  {table:12}  {digest.hash[:16]}")
    click.echo(
        f"{plural(copied.tables['clip'].rows, 'clip')}, {copied.sounds:,} of them with sound, are in the target; "
        "counts and hashes are those of the source. Let people in with 'earmark store add-reviewer', and let nobody "
        "use the source any more: what is withdrawn there is not withdrawn here."
    )
