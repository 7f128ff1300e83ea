"""`earmark journal`: check the journal, print what it holds."""

from __future__ import annotations

from pathlib import Path

import click

from earmark.tui.commands.common import Invocation, invocation, journal_folder, open_review_store_of, plural


@click.group()
def journal() -> None:
    """Your decisions on this machine: check that nothing was lost or changed, or print them."""


@journal.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@invocation
def verify(given: Invocation, folder: Path | None) -> None:
    """Check every line of the journal against the chain and say exactly what is wrong where.

    \b
    Examples:
      earmark journal verify
      earmark journal verify /backup/journals/…
    """
    from earmark.queue.journal.verify import verify as check

    own = folder or _own(given)
    if own is None:
        return
    report = check(own)
    for fault in report.faults:
        click.echo(str(fault), err=True)
    if report.faults:
        raise click.ClickException(f"{plural(len(report.faults), 'fault')} in {plural(report.lines, 'line')}.")
    click.echo(f"{plural(report.lines, 'line')} sound; the last is {report.head.seq}.")


@journal.command()
@click.option("--clip", metavar="ID", help="Only this clip's lines.")
@click.option("--quarantine", is_flag=True, help="The lines that the store set aside, and why.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line.")
@invocation
def show(given: Invocation, clip: str | None, quarantine: bool, as_json: bool) -> None:
    """Print decisions, drafts and erasures in their order.

    \b
    Examples:
      earmark journal show
      earmark journal show --clip 5f0c… --json
      earmark journal show --quarantine
    """
    import msgspec

    from earmark.queue.journal.reading import read_entries, read_quarantine

    folder = _own(given)
    if folder is None:
        return
    if quarantine:
        for one in read_quarantine(folder):
            click.echo(
                msgspec.json.encode(one).decode() if as_json else f"line {one.seq}  clip {one.clip}: {one.reason}"
            )
        return
    for entry in read_entries(folder):
        if clip is not None and entry.clip != clip:
            continue
        if as_json:
            click.echo(msgspec.json.encode(entry).decode())
            continue
        what = entry.verdict.value if entry.verdict is not None else entry.kind
        said = "  (erased)" if entry.erased else f"  {entry.text}" if entry.text else ""
        why = f"  {entry.reason}" if entry.reason is not None else ""
        click.echo(f"{entry.seq:>6}  {entry.at}  {entry.clip}  {what}{why}{said}")


def _own(given: Invocation) -> Path | None:
    """The reviewer's journal; None, and said, where there is none yet."""
    store, settings = open_review_store_of(given.settings())
    try:
        folder = journal_folder(settings, store.id)
    finally:
        store.close()
    if folder.is_dir():
        return folder
    click.echo(f"{settings.reviewer_name} has decided nothing for {settings.store_url} on this machine yet.", err=True)
    return None
