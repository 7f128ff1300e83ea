"""`earmark store`: make a team's store in PostgreSQL, bring it up to date, let people in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from earmark.tui.commands.common import Invocation, invocation, plural
from earmark.tui.commands.store_audit import audit
from earmark.tui.commands.store_copy import copy_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from earmark.tui.settings import Settings


@click.group()
def store() -> None:
    """A team's store in PostgreSQL: make it, bring it up to date, let people in.

    `--store` (or EARMARK_STORE) names it: postgresql://USER@HOST/DATABASE. Except for `check`, `policy`, `replay` and
    `audit`, USER must own the database and be allowed to create roles. A store on one machine (sqlite:///FOLDER) needs
    none of this but `check`, `replay` and, for several opinions of each clip, `policy`.

    \b
    Examples:
      earmark store init --audio file:///srv/earmark/audio
      earmark store add-reviewer anna --role anna
      earmark store check
    """


@store.command()
@click.option(
    "--audio",
    metavar="URL",
    required=True,
    help="Where the sealed audio will lie: file:///FOLDER or s3://BUCKET/PREFIX.",
)
@invocation
def init(given: Invocation, audio: str) -> None:
    """Make the store in a database that is there: tables, functions, and two group roles without a login.

    The master key comes from the file that master_key (EARMARK_MASTER_KEY) names; the file is made when it is not
    there. Running it again sees to roles and rights, and brings an older store up to date as `upgrade` does.

    \b
    Examples:
      createdb earmark
      export EARMARK_STORE=postgresql:///earmark EARMARK_MASTER_KEY=/etc/earmark/master.key
      earmark store init --audio file:///srv/earmark/audio
      earmark store init --audio s3://our-bucket/earmark
    """
    settings = given.settings()
    url = url_of(settings)
    made_key, master = master_of(settings)
    from earmark.queue.store import postgres_schema
    from earmark.queue.store.audio_objects import open_objects

    open_objects(audio)
    made = postgres_schema.init(url, audio=audio, master=master)
    if made.before:
        click.echo(f"A store is here already; roles and rights are as they should be (schema {made.now}).")
    else:
        click.echo(f"The store is made (schema {made.now}).")
        if made_key is not None:
            click.echo(
                f"Its master key is in {made_key}. Keep a copy elsewhere: without it nobody can ever hear a clip."
            )
    click.echo(
        f"Reviewers are members of the role {made.roles.reviewer}, supervisors of {made.roles.supervisor}. "
        "Let people in with\n"
        "  earmark store add-reviewer NAME --role LOGIN [--supervisor]"
    )


@store.command()
@invocation
def upgrade(given: Invocation) -> None:
    """Bring the store to what this Earmark knows. Older programs then say so, and keep their decisions in the journal.

    \b
    Examples:
      earmark store upgrade
    """
    url = url_of(given.settings())
    from earmark.queue.store import postgres_schema

    made = postgres_schema.upgrade(url)
    if made.before == made.now:
        click.echo(f"Nothing to do: the store has schema {made.now}.")
    else:
        click.echo(f"The store went from schema {made.before} to {made.now}.")


@store.command()
@invocation
def check(given: Invocation) -> None:
    """Say whether all is well from here: schema, login, master key, the place of the audio, and that every withdrawal
    is in force. In a store on one machine, the last alone.

    \b
    Examples:
      earmark store check
    """
    settings = given.settings()
    if settings.store_url.startswith("sqlite:///"):
        from earmark.queue.store.open import open_store

        opened = open_store(settings.store_url)
        try:
            opened.check_withdrawals()
            click.echo(f"ok     withdrawals in force: {opened.withdrawn()[0]}")
        finally:
            opened.close()
        return
    url = url_of(settings)
    from earmark.queue.store.postgres_check import check as look

    faults = 0
    for found in look(url, settings.master_key):
        faults += not found.good
        click.echo(f"{'ok   ' if found.good else 'fault'}  {found.words}", err=not found.good)
    if faults:
        raise click.exceptions.Exit(1)


@store.command()
@click.option(
    "--log-lost", is_flag=True, help="The log beside the audio is lost for good: write it anew from this database."
)
@invocation
def replay(given: Invocation, log_lost: bool) -> None:
    """Put withdrawals in force again that a database brought back from an older copy has forgotten. For supervisors.

    Each withdrawal is also written down outside the database: beside the audio, in a store on one machine in
    withdrawn.jsonl beside store.db. Until what is written there is in force, nobody is given a clip or its sound. Bring
    back a database or the audio from a copy, but never that log. Running it again changes nothing.

    \b
    Examples:
      earmark store replay
    """
    from earmark.queue.store.open import open_store

    settings = given.settings()
    opened = open_store(settings.store_url, master_key=settings.master_key)
    try:
        if log_lost:
            from earmark.queue.store.postgres import PostgresStore

            if not isinstance(opened, PostgresStore):
                raise click.UsageError(
                    "--log-lost is for a store in PostgreSQL: the other kind writes its log by itself."
                )
            opened.rewrite_log()
            click.echo("The log of withdrawals is written anew.")
            return
        replayed, clips = opened.replay()
    finally:
        opened.close()
    if replayed:
        click.echo(f"{plural(replayed, 'withdrawal')} put in force again: {plural(clips, 'clip')} erased.")
    else:
        click.echo("Nothing to do: all withdrawals that were written down are in force.")


@store.command("add-reviewer")
@click.argument("name")
@click.option("--role", metavar="LOGIN", required=True, help="The login role in PostgreSQL; made when it is not there.")
@click.option("--supervisor", is_flag=True, help="May also load, export, withdraw and purge.")
@invocation
def add_reviewer(given: Invocation, name: str, role: str, supervisor: bool) -> None:
    """Let a login role review in the name NAME, and in no other.

    Whoever supervises already goes on doing so without --supervisor: remove-reviewer takes that away, and the name too.

    \b
    Examples:
      earmark store add-reviewer anna --role anna
      earmark store add-reviewer eve --role eve --supervisor
    """
    url = url_of(given.settings())
    from earmark.queue.store import postgres_schema
    from earmark.queue.text import clean_name

    if clean_name(name) != name or not name.strip():
        raise click.UsageError("a reviewer's name is at most 200 characters, none of them a control character.")
    made = postgres_schema.add_person(url, name, role, supervisor=supervisor)
    click.echo(f"'{role}' reviews as '{name}'{' and supervises' if supervisor else ''}.")
    if made:
        click.echo(f"The role is new and has no password: give it one with \\password {role} in psql.")


@store.command("remove-reviewer")
@click.argument("role", metavar="LOGIN")
@invocation
def remove_reviewer(given: Invocation, role: str) -> None:
    """Let a login role do nothing more here. What it decided stays; what it leases comes back when it runs out.

    \b
    Examples:
      earmark store remove-reviewer anna
    """
    url = url_of(given.settings())
    from earmark.queue.store import postgres_schema

    postgres_schema.remove_person(url, role)
    click.echo(f"'{role}' is out.")


@store.command()
@click.option("--lease-cap", type=click.IntRange(min=0), help="Clips a reviewer is given anew a day; 0 for any number.")
@click.option("--critical-hold-days", type=click.FloatRange(min=0), help="Days until a critical clip's key goes.")
@click.option("--longest-lease-days", type=click.FloatRange(min=0, min_open=True), help="Nobody leases for longer.")
@click.option(
    "--opinions", type=click.IntRange(1, 9), metavar="K", help="A clip is done when K different reviewers decided it."
)
@invocation
def policy(
    given: Invocation,
    lease_cap: int | None,
    critical_hold_days: float | None,
    longest_lease_days: float | None,
    opinions: int | None,
) -> None:
    """Show what holds for everybody, or set it. For supervisors.

    With --opinions K each clip goes to K different reviewers, to one at a time. What is decided already is judged anew:
    clips that were done with fewer opinions are open again, clips that have K by now are done. No decision is lost by
    it. In a store on one machine this is the only option; the hold and the longest lease are settings there.

    \b
    Examples:
      earmark store policy
      earmark store policy --lease-cap 1500
      earmark store policy --opinions 2
    """
    settings = given.settings()
    if settings.store_url.startswith("sqlite:///"):
        if (lease_cap, critical_hold_days, longest_lease_days) != (None, None, None):
            raise click.UsageError(
                "only --opinions is for a store on one machine: there most_days and critical_hold_days in config.toml "
                "say the rest."
            )
        _opinions(settings, opinions)
        return
    url = url_of(settings)
    from earmark.queue.store import postgres_check

    now = postgres_check.policy(
        url,
        critical_hold=None if critical_hold_days is None else critical_hold_days * 86400,
        longest_lease=None if longest_lease_days is None else longest_lease_days * 86400,
        lease_cap=lease_cap,
    )
    click.echo(
        f"lease cap           {'none' if now.lease_cap is None else f'{now.lease_cap:,} clips a reviewer and day'}"
    )
    click.echo(f"critical hold       {now.critical_hold / 86400:g} days")
    click.echo(f"longest lease       {now.longest_lease / 86400:g} days")
    _opinions(settings, opinions)


store.add_command(audit)
store.add_command(copy_command)


def _opinions(settings: Settings, wanted: int | None) -> None:
    """Say how many opinions a clip wants, after setting it where it is given."""
    from earmark.queue.store.open import open_store

    opened = open_store(settings.store_url)
    try:
        judged = None if wanted is None else opened.want_opinions(wanted)
        click.echo(f"opinions            {plural(opened.opinions(), 'reviewer')} a clip")
    finally:
        opened.close()
    if judged is not None and judged.reopened:
        click.echo(
            f"{plural(judged.reopened, 'clip')} done before {_are(judged.reopened)} open again, for more opinions."
        )
    if judged is not None and judged.done:
        click.echo(f"{plural(judged.done, 'clip')} that had as many already {_are(judged.done)} done.")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def master_of(settings: Settings) -> tuple[Path | None, Callable[[], bytes]]:
    """What gives a new store's master key, and the file that it will make for it (None: it is there already). Raises
    `ClickException` where no master key is set.
    """
    from pathlib import Path

    from earmark.queue.store.master import COMMAND, make_master, read_master

    setting = settings.master_key
    if setting is None:
        raise click.ClickException(
            "a store's audio is sealed under a master key: set EARMARK_MASTER_KEY (or master_key in config.toml) to "
            "the file that will hold it, outside the database and its backups."
        )
    path = Path(setting).expanduser()
    if setting.startswith(COMMAND) or path.exists():
        return None, lambda: read_master(setting)
    return path, lambda: make_master(path)


def url_of(settings: Settings) -> str:
    """The PostgreSQL store's URL. Raises `ClickException` for another kind of store, or without psycopg."""
    if not settings.store_url.startswith("postgresql://"):
        raise click.ClickException(
            f"{settings.store_shown} is no store in PostgreSQL: name one with --store postgresql://USER@HOST/DATABASE."
        )
    from importlib.util import find_spec

    if find_spec("psycopg") is None:
        raise click.ClickException("a store in PostgreSQL needs psycopg: pip install 'earmark[postgres]'.")
    return settings.store_url
