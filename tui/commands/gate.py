"""`earmark gate`: the host's end of a store over SSH."""

from __future__ import annotations

import click

from earmark.tui.commands.common import Invocation, invocation


@click.command()
@click.option("--store", metavar="URL", help="The store that it leads to.  [default: this account's]")
@click.option("--as", "reviewer", metavar="REVIEWER", help="In whose name alone.  [default: this account's]")
@click.option(
    "--most-days",
    type=click.FloatRange(min=0, min_open=True),
    metavar="D",
    help="For how many days clips may be checked out at most.  [default: most_days; in PostgreSQL the policy]",
)
@invocation
def gate(given: Invocation, store: str | None, reviewer: str | None, most_days: float | None) -> None:
    """Let one reviewer in, over standard input and output: what ssh starts here for Earmark at the other end.

    As the command of a key in authorized_keys (or ForceCommand in sshd_config) it makes that key good for reviewing in
    one person's name, and for nothing else.

    \b
    Examples:
      earmark gate --store sqlite:////srv/earmark --as ada
    """
    from earmark.queue.store.gate.process import run

    settings = given.settings(store=store, most_days=most_days)
    code = run(
        settings.store_url,
        reviewer,
        named=store is not None,
        lease_seconds=settings.lease_minutes * 60,
        critical_hold=settings.critical_hold_days * 86400,
        most_lease=settings.most_days * 86400,
        longest=None if most_days is None else most_days * 86400,
        master_key=settings.master_key,
    )
    raise click.exceptions.Exit(code)
