"""`earmark store audit`: who was leased and decided what, and whether that record still holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.tui.commands.common import Invocation, invocation, plural

if TYPE_CHECKING:
    from earmark.queue.store.postgres_audit import Decided, Entry
    from earmark.queue.store.postgres_database import Database

_PROVES = """\
What this proves: within each chain nothing was removed or changed by anybody who did not rewrite all that follows.
Against somebody who can rewrite the whole database it proves nothing, for no key is in it; heads that were exported
before, and are kept where that person cannot write, do (--against FILE). The way in is the server's word for the
address, and the program's own for the rest; what was heard is the word of the reviewer's machine."""


@click.command()
@click.option("--reviewer", metavar="NAME", help="Only what was done in this name.")
@click.option("--clip", metavar="CLIP", help="Only what concerns this clip.")
@click.option("--since", metavar="DATE", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="In UTC.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--verify", is_flag=True, help="Show no entries: verify them all. Exits with 1 where something is wrong.")
@click.option(
    "--heads",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write where the chains end now to FILE: keep it elsewhere, one a day.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Verify against heads that were exported before.",
)
@click.option(
    "--outliers", is_flag=True, help="List whose shares of critical, skipped or too fast decisions stand out."
)
@invocation
def audit(
    given: Invocation,
    reviewer: str | None,
    clip: str | None,
    since: datetime | None,
    as_json: bool,
    verify: bool,
    heads: Path | None,
    against: Path | None,
    outliers: bool,
) -> None:
    """Show who was leased what and decided what, when, and over which way in. For supervisors of a team's store.

    \b
    Examples:
      earmark store audit --reviewer anna --since 2026-11-23
      earmark store audit --clip 5f0c… --json
      earmark store audit --verify
      earmark store audit --heads heads-2026-11-23.json
      earmark store audit --against heads-2026-11-23.json
      earmark store audit --outliers
    """
    from earmark.tui.commands.store import url_of

    url = url_of(given.settings())
    from earmark.queue.store import postgres_audit
    from earmark.queue.store.postgres_database import Database

    database = Database(url)
    try:
        if heads is not None:
            _export(database, heads)
        if verify or against is not None:
            _verify(database, against, as_json)
        if outliers:
            _outliers(database, as_json)
        if heads is None and against is None and not verify and not outliers:
            start = None if since is None else since.replace(tzinfo=UTC).timestamp()
            for entry, decided in postgres_audit.entries(database, reviewer=reviewer, clip=clip, since=start):
                _show(entry, decided, as_json)
    finally:
        database.close()


def _show(entry: Entry, decided: tuple[Decided, ...], as_json: bool) -> None:
    if as_json:
        import msgspec

        fields = {name: getattr(entry, name) for name in entry.__struct_fields__}
        click.echo(msgspec.json.encode({**fields, "decisions": decided}).decode())
        return
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = "" if entry.device is None else f"  device {entry.device} lines {entry.first_seq}-{entry.last_seq}"
    click.echo(f"{at}  {entry.reviewer or entry.role}  {entry.what}  ({entry.via}){lines}")
    for clip in entry.clips or ():
        click.echo(f"    {clip}")
    for one in decided:
        click.echo(f"    {one.clip}  {one.verdict}  heard {one.heard:.0%}")


def _export(database: Database, path: Path) -> None:
    import msgspec

    from earmark.queue import files
    from earmark.queue.store import postgres_audit

    now = postgres_audit.heads(database)
    files.replace(path, msgspec.json.format(msgspec.json.encode(now)) + b"\n")
    click.echo(
        f"{plural(len(now.heads), 'head')} written to {path}. Keep it where nobody who runs the store can write."
    )


def _verify(database: Database, against: Path | None, as_json: bool) -> None:
    import msgspec

    from earmark.queue.store import postgres_audit

    earlier = None if against is None else postgres_audit.read_heads(against)
    faults = 0
    for chain in postgres_audit.verify(database, earlier):
        faults += len(chain.faults)
        if as_json:
            click.echo(msgspec.json.encode(chain).decode())
            continue
        if not chain.faults:
            click.echo(f"ok     {chain.role}: {chain.entries:,} entries hold")
        for words in chain.faults:
            click.echo(f"fault  {chain.role}: {words}", err=True)
        for words in chain.notes:
            click.echo(f"note   {chain.role}: {words}")
    if not as_json:
        click.echo(_PROVES)
    if faults:
        raise click.exceptions.Exit(1)


def _outliers(database: Database, as_json: bool) -> None:
    import msgspec

    from earmark.queue.store import postgres_audit
    from earmark.queue.store.outliers import LEAST_DECISIONS

    found = postgres_audit.standing_out(database)
    for one in found:
        if as_json:
            click.echo(msgspec.json.encode(one).decode())
        else:
            click.echo(f"{one.reviewer}: {one.own:.1%} {one.kind}, the others {one.others:.1%} (z = {one.z:+.1f})")
    if not found and not as_json:
        click.echo(f"Nobody stands out (of those with at least {LEAST_DECISIONS} decisions).")
