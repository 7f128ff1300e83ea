"""Decisions out of a store in PostgreSQL, a page at a time, all as of the moment at which the export began."""

from __future__ import annotations

from collections.abc import Iterator

from earmark.queue.store import results_page
from earmark.queue.store.interface import Result
from earmark.queue.store.postgres_database import Database


def results(
    database: Database, verdicts: frozenset[str] | None, *, every_revision: bool, source: bool
) -> Iterator[Result]:
    """As `Store.results`."""
    wanted = results_page.wanted(verdicts, every_revision)
    (seen,) = database.row("SELECT earmark.export_from()")
    after = 0
    while True:
        rows = database.rows(
            "SELECT * FROM earmark.results(%s, %s, %s::text[], %s, %s)",
            (seen, after, wanted, every_revision, results_page.PAGE),
        )
        for row in map(lambda row: results_page.Row(*row), rows):
            after = row.arrival
            yield results_page.result(row, source=source)
        if len(rows) < results_page.PAGE:
            return
