"""Decisions out of an SQLite store, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from earmark.queue.decision import HAS_TEXT, Verdict
from earmark.queue.journal.line import Payload
from earmark.queue.store.interface import Result
from earmark.queue.store.sqlite_database import Database
from earmark.queue.store.sqlite_lease import hypothesis_in

_PAGE = 500

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


class _Told(msgspec.Struct, frozen=True):
    """What a result takes from the envelope."""

    at: str
    revision: int
    heard: float
    plays: int
    seconds: float


_told = msgspec.json.Decoder(_Told)
_payload = msgspec.json.Decoder(Payload)


def results(
    database: Database, verdicts: frozenset[str] | None, *, every_revision: bool, source: bool
) -> Iterator[Result]:
    """As `Store.results`."""
    if verdicts is None:
        verdicts = frozenset(Verdict) if every_revision else HAS_TEXT
    with database.read() as connection:
        (last,) = connection.execute("SELECT coalesce(max(arrival), 0) FROM line").fetchone()
    given = {
        "after": 0,
        "last": last,
        "verdicts": json.dumps(sorted(verdicts)),
        "has_text": json.dumps(sorted(HAS_TEXT)),
        "every": every_revision,
        "page": _PAGE,
    }
    while True:
        with database.read() as connection:
            rows = connection.execute(_SELECT, given).fetchall()
        for row in rows:
            yield _result(row, source)
        if len(rows) < _PAGE:
            return
        given["after"] = rows[-1][0]


def _result(row: tuple[Any, ...], with_source: bool) -> Result:
    _, clip, reviewer, verdict, envelope, payload, state, hypothesis, lang, duration, source = row
    told = _told.decode(envelope)
    given = None if payload is None else _payload.decode(payload)
    return Result(
        clip=clip,
        reviewer=reviewer,
        verdict=verdict,
        revision=told.revision,
        at=told.at,
        text=None if given is None else given.text,
        note=None if given is None else given.note,
        machine=None if state == "critical" or hypothesis is None else hypothesis_in(hypothesis).text,
        lang=lang,
        duration=duration,
        heard=told.heard,
        plays=told.plays,
        seconds=told.seconds,
        source=source if with_source else None,
    )
