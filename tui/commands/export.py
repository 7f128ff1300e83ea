"""`earmark export`: the results."""

from __future__ import annotations

import click

from earmark.tui.commands.common import Invocation, invocation, open_store_of, plural

VERDICTS = ("accepted", "corrected", "critical", "unintelligible", "skipped", "escalated")


@click.command()
@click.argument("file")
@click.option(
    "--verdict",
    "verdicts",
    multiple=True,
    type=click.Choice(VERDICTS),
    help="Only these; may be given again.  [default: accepted, corrected]",
)
@click.option("--source", is_flag=True, help="For supervisors: name each clip by the corpus's own file.")
@click.option(
    "--all-decisions",
    is_flag=True,
    help="Every decision, also those revised or taken back since; of a critical clip the mark.",
)
@invocation
def export(given: Invocation, file: str, verdicts: tuple[str, ...], source: bool, all_decisions: bool) -> None:
    """Write results to FILE as a NeMo manifest, or as CSV when it ends in .csv; - writes to standard output.

    `text` is what people said was spoken, `pred_text` what the machine heard. A critical clip's text is never in it.

    \b
    Examples:
      earmark export results.jsonl
      earmark export results.csv --verdict corrected
      earmark export - --verdict critical --verdict escalated
    """
    from earmark.queue.formats.output import write_results

    store = open_store_of(given.settings())
    try:
        results = store.results(frozenset(verdicts) or None, every_revision=all_decisions, source=source)
        count = write_results(results, file)
    finally:
        store.close()
    click.echo(f"{plural(count, 'result')} written to {'standard output' if file == '-' else file}.", err=True)
