"""`earmark load`: clips and machine transcripts into the store."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from earmark.tui.commands.common import Invocation, invocation, open_store_of, plural


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check every line and that its audio is there; take nothing in.")
@click.option(
    "--subject-field", metavar="NAME", help="The field that says who spoke; only a keyed pseudonym of it is kept."
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write what was refused to FILE, as JSON Lines.",
)
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Audio may lie in this folder too, besides the manifest's and those beside it; may be given again.",
)
@invocation
def load(
    given: Invocation,
    manifest: Path,
    dry_run: bool,
    subject_field: str | None,
    rejects: Path | None,
    roots: tuple[Path, ...],
) -> None:
    """Take the clips of a NeMo manifest (JSON Lines) into the store.

    A bad line or clip is reported with file, line and reason, and the rest goes in; then the exit code is 1. Loading
    twice changes nothing.

    \b
    Examples:
      earmark load corpus/manifest.jsonl
      earmark load corpus/manifest.jsonl --dry-run --rejects bad.jsonl
      earmark load corpus/manifest.jsonl --subject-field speaker
    """
    from earmark.queue import intake
    from earmark.queue.audio import quiet_stderr
    from earmark.queue.source import SourceError
    from earmark.queue.text import clean_name

    settings = given.settings()
    store = None if dry_run else open_store_of(settings)
    with ExitStack() as stack:
        if store is not None:
            stack.callback(store.close)
        report = stack.enter_context(intake.reject_report(rejects)) if rejects is not None else None
        stderr = stack.enter_context(quiet_stderr())

        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(file=stderr, highlight=False, markup=False, emoji=False)
        bar = stack.enter_context(
            Progress(
                TextColumn("checking" if dry_run else "loading"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
        )
        task = bar.add_task("load", total=None)

        def refused(reject: intake.Reject) -> None:
            console.print(str(reject), soft_wrap=True)
            if report is not None:
                report(reject)

        try:
            loaded = intake.load(
                manifest,
                store,
                subject_field=subject_field,
                dry_run=dry_run,
                roots=roots or None,
                longest=settings.longest_clip,
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
                on_reject=refused,
            )
        except SourceError as error:
            raise click.ClickException(f"{clean_name(manifest)}: {error}") from None
    click.echo(
        f"{plural(loaded.added, 'clip')} {'would go in' if dry_run else 'added'}, "
        f"{loaded.known:,} already there, {loaded.rejected:,} refused."
    )
    if loaded.rejected:
        raise click.exceptions.Exit(1)
