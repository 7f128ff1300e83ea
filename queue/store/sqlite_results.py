"""Decisions out of an SQLite store, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator

from earmark.queue.decision import HAS_TEXT
from earmark.queue.store import results_page
from earmark.queue.store.interface import Result
from earmark.queue.store.sqlite_database import Database

# A withdrawal takes effect between pages, while decisions that arrive after the start are left for the next time:
# no clip comes twice. A decision that should have a text and has none (erased) is no result.
_SELECT = """
SELECT this.arrival, this.clip, this.reviewer, this.verdict, this.envelope, this.payload,
    clip.state, clip.hypothesis, clip.lang, clip.duration, clip.source
FROM line AS this JOIN clip ON clip.id = this.clip
WHERE this.arrival > :after AND this.arrival <= :last
    AND this.verdict IN (SELECT value FROM json_each(:verdicts))
    AND clip.state <> 'withdrawn' AND (clip.state <> 'critical' OR this.verdict = 'critical')
    AND (clip.state <> 'escalated' OR this.verdict = 'escalated' OR :every)
    AND (this.payload IS NOT NULL OR NOT :every AND this.verdict NOT IN (SELECT value FROM json_each(:has_text)))
    AND (:every OR NOT EXISTS (
        SELECT 1 FROM line AS later
        WHERE later.clip = this.clip AND later.reviewer = this.reviewer AND later.verdict IS NOT NULL
            AND later.arrival > this.arrival AND later.arrival <= :last
    ))
ORDER BY this.arrival LIMIT :page
"""


def results(
    database: Database, verdicts: frozenset[str] | None, *, every_revision: bool, source: bool
) -> Iterator[Result]:
    """As `Store.results`."""
    with database.read() as connection:
        (last,) = connection.execute("SELECT coalesce(max(arrival), 0) FROM line").fetchone()
    given = {
        "after": 0,
        "last": last,
        "verdicts": json.dumps(results_page.wanted(verdicts, every_revision)),
        "has_text": json.dumps(sorted(HAS_TEXT)),
        "every": every_revision,
        "page": results_page.PAGE,
    }
    while True:
        with database.read() as connection:
            rows = connection.execute(_SELECT, given).fetchall()
        for row in rows:
            yield results_page.result(results_page.Row(*row), source=source)
        if len(rows) < results_page.PAGE:
            return
        given["after"] = rows[-1][0]
