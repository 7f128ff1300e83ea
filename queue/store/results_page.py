"""From a row of a store's results to a `Result`, and the verdicts that are asked for."""

from __future__ import annotations

import msgspec

from earmark.queue.decision import HAS_TEXT, Verdict
from earmark.queue.journal.line import Payload
from earmark.queue.store.hypotheses import hypothesis_in
from earmark.queue.store.interface import Result

PAGE = 500
"""Results a page."""


class _Told(msgspec.Struct, frozen=True):
    """What a result takes from the envelope."""

    at: str
    revision: int
    heard: float
    plays: int
    seconds: float


class Row(msgspec.Struct, frozen=True):
    """A decision with its clip's columns, in the order of a query."""

    arrival: int
    clip: str
    reviewer: str
    verdict: str
    envelope: str
    payload: str | None
    state: str
    hypothesis: str | bytes | None
    lang: str | None
    duration: float
    source: str | None


_told = msgspec.json.Decoder(_Told)
_payload = msgspec.json.Decoder(Payload)


def wanted(verdicts: frozenset[str] | None, every_revision: bool) -> list[str]:
    """The verdicts that come out: those given, else all for every revision, else those with a text."""
    if verdicts is None:
        verdicts = frozenset(Verdict) if every_revision else HAS_TEXT
    return sorted(verdicts)


def result(row: Row, *, source: bool) -> Result:
    """The result in a row; `source` fills in the corpus's own name."""
    told = _told.decode(row.envelope)
    given = None if row.payload is None else _payload.decode(row.payload)
    return Result(
        clip=row.clip,
        reviewer=row.reviewer,
        verdict=row.verdict,
        revision=told.revision,
        at=told.at,
        text=None if given is None else given.text,
        note=None if given is None else given.note,
        machine=None if row.state == "critical" or row.hypothesis is None else hypothesis_in(row.hypothesis).text,
        lang=row.lang,
        duration=row.duration,
        heard=told.heard,
        plays=told.plays,
        seconds=told.seconds,
        source=row.source if source else None,
    )
