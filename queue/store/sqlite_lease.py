"""Leases in an SQLite store: who may review what until when. All but `counts` runs in a write transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from earmark.queue.clip import Clip
from earmark.queue.store.hypotheses import hypothesis_in
from earmark.queue.store.interface import Counts, Leased

_COLUMNS = """clip.id, clip.lang, clip.duration, clip.rate, clip.hypothesis, clip.peaks,
    CASE clip.owner WHEN :reviewer THEN clip.lease END"""
_OPINED = "EXISTS (SELECT 1 FROM opinion WHERE opinion.clip = clip.id AND opinion.reviewer = :reviewer)"
_FOR_THEM = f"""
    (:lang IS NULL OR clip.lang = :lang) AND NOT EXISTS (
        SELECT 1 FROM latest WHERE latest.clip = clip.id AND latest.reviewer = :reviewer AND latest.verdict = 'skipped'
    ) AND NOT {_OPINED}"""  # noqa: S608 - constants
_GIVE = """owner = :reviewer, lease = :lease,
    lease_until = max(CASE owner WHEN :reviewer THEN lease_until ELSE 0 END, :expires)"""
_ORDER = "ORDER BY clip.priority DESC, clip.arrival"


def expire(connection: sqlite3.Connection, now: float) -> None:
    """Give clips whose lease has run out back to the pool."""
    connection.execute(
        """UPDATE clip SET owner = NULL, lease = NULL, lease_until = NULL,
               state = CASE state WHEN 'leased' THEN 'open' ELSE state END
           WHERE lease_until <= ?""",
        (now,),
    )


def take(
    connection: sqlite3.Connection,
    *,
    reviewer: str,
    count: int,
    lang: str | None,
    first: Sequence[str],
    lease: str,
    expires: float,
) -> list[Leased]:
    """Up to `count` clips, leased until `expires`: those named in `first`, those the reviewer holds already, others.

    A clip that is held already keeps the name of its lease, and its time where that is longer; the others get `lease`.
    One that is held for longer than `expires` is checked out, and is theirs here only if `first` names it.
    """
    given: dict[str, Any] = {
        "reviewer": reviewer, "lang": lang, "count": count, "first": json.dumps(list(first)), "expires": expires
    }  # fmt: skip
    wanted: dict[str, Leased] = {}

    def select(condition: str, index: str) -> list[Leased]:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM clip {index} WHERE {condition} AND {_FOR_THEM} {_ORDER} LIMIT :count",  # noqa: S608 - constants
            given,
        )
        return [_leased(row, lease, expires) for row in rows]

    if first:
        named = select(
            """clip.id IN (SELECT value FROM json_each(:first))
                AND (clip.state = 'open' OR clip.state = 'leased' AND clip.owner = :reviewer)""",
            "",
        )
        rank = {clip: place for place, clip in enumerate(first)}
        named.sort(key=lambda leased: rank[leased.clip.id])
        wanted.update((leased.clip.id, leased) for leased in named)
    held = select(
        "clip.owner = :reviewer AND clip.state = 'leased' AND clip.lease_until <= :expires", "INDEXED BY clip_owner"
    )
    wanted.update((leased.clip.id, leased) for leased in held if leased.clip.id not in wanted)
    # Those that nobody has; then, where clips want several opinions, those that are only kept by who decided them last.
    for kept in ("clip.owner IS NULL", "clip.owner IS NOT NULL"):
        if len(wanted) >= count:
            break
        # The index is named because the planner, without statistics, may sort all open clips instead.
        if lang is None:
            fresh = select(f"clip.state = 'open' AND {kept}", "INDEXED BY clip_open")
        else:
            fresh = select(f"clip.state = 'open' AND clip.lang = :lang AND {kept}", "INDEXED BY clip_open_lang")
        wanted.update((leased.clip.id, leased) for leased in fresh if leased.clip.id not in wanted)
    taken = list(wanted.values())[:count]
    connection.executemany(
        f"UPDATE clip SET state = 'leased', {_GIVE} WHERE id = :clip",  # noqa: S608 - constants
        [_given(reviewer, leased) for leased in taken],
    )
    return taken


def reopen(
    connection: sqlite3.Connection, *, reviewer: str, clips: Sequence[str], lease: str, expires: float
) -> list[Leased]:
    """Lease decided clips again to the reviewer whose decision is the last one. They stay decided. Where clips want
    several opinions, each reviewer's own is theirs to revise, whoever has decided after them.

    A clip that the reviewer skipped, and nobody has, is theirs alone meanwhile.
    """
    rows = connection.execute(
        f"""SELECT {_COLUMNS} FROM clip
            WHERE clip.id IN (SELECT value FROM json_each(:clips))
                AND clip.state IN ('done', 'open', 'escalated')
                AND (clip.owner IS NULL OR clip.owner = :reviewer OR clip.state = 'open')
                AND (:reviewer = (
                    SELECT reviewer FROM line WHERE line.clip = clip.id AND verdict IS NOT NULL
                    ORDER BY arrival DESC LIMIT 1
                ) OR (SELECT opinions > 1 FROM policy) AND clip.state <> 'escalated' AND {_OPINED})
            {_ORDER}""",  # noqa: S608 - constants
        {"clips": json.dumps(list(clips)), "reviewer": reviewer},
    ).fetchall()
    again = [_leased(row, lease, expires) for row in rows]
    connection.executemany(
        f"""UPDATE clip SET {_GIVE},
               state = CASE
                   WHEN state = 'open' AND NOT {_OPINED} THEN 'leased' ELSE state END
           WHERE id = :clip""",  # noqa: S608 - constants
        [_given(reviewer, leased) for leased in again],
    )
    return again


def renew(
    connection: sqlite3.Connection, reviewer: str, clips: Sequence[str], *, lease: str, expires: float
) -> frozenset[str]:
    """Prolong the leases that the reviewer holds, and take those anew that ran out but went to nobody; says which.

    A clip that is open has been decided by its owner: it waits for others, and is not kept from them.
    """
    given = {"reviewer": reviewer, "clips": json.dumps(list(clips)), "lease": lease, "expires": expires, "lang": None}
    named = "clip.id IN (SELECT value FROM json_each(:clips))"
    connection.execute(
        f"""UPDATE clip SET owner = :reviewer, lease = :lease, state = 'leased'
            WHERE {named} AND clip.state = 'open' AND clip.owner IS NULL AND {_FOR_THEM}""",  # noqa: S608 - constants
        given,
    )
    connection.execute(
        f"""UPDATE clip SET lease_until = max(coalesce(lease_until, 0), :expires)
            WHERE {named} AND owner = :reviewer AND state <> 'open'""",  # noqa: S608 - constants
        given,
    )
    held = connection.execute(f"SELECT id FROM clip WHERE {named} AND owner = :reviewer", given)  # noqa: S608 - constants
    return frozenset(clip for (clip,) in held)


def release(connection: sqlite3.Connection, reviewer: str, clips: Iterable[str]) -> None:
    """End leases; what is not decided is open to all."""
    connection.executemany(
        """UPDATE clip SET owner = NULL, lease = NULL, lease_until = NULL,
               state = CASE state WHEN 'leased' THEN 'open' ELSE state END
           WHERE id = ? AND owner = ?""",
        [(clip, reviewer) for clip in clips],
    )


def counts(connection: sqlite3.Connection, reviewer: str, now: float) -> Counts:
    """How much there is, as `Counts` has it. Leases that have run out count as open."""
    states: dict[str, int] = dict(connection.execute("SELECT state, count(*) FROM clip GROUP BY state"))
    theirs = "clip.state = 'leased' AND (clip.owner = :reviewer OR clip.lease_until <= :now)"
    given = {"reviewer": reviewer, "now": now}
    (held,) = connection.execute(f"SELECT count(*) FROM clip WHERE {theirs}", given).fetchone()  # noqa: S608 - constants
    (skipped,) = connection.execute(
        f"""SELECT count(*) FROM latest JOIN clip ON clip.id = latest.clip
            WHERE latest.reviewer = :reviewer AND latest.verdict = 'skipped'
                AND (clip.state = 'open' OR {theirs})""",  # noqa: S608 - constants
        given,
    ).fetchone()
    (opined,) = connection.execute(
        f"""SELECT count(*) FROM clip
            WHERE (SELECT opinions > 1 FROM policy) AND (clip.state = 'open' OR {theirs}) AND {_OPINED}""",  # noqa: S608 - constants
        given,
    ).fetchone()
    withdrawn = states.pop("withdrawn", 0)
    return Counts(
        clips=sum(states.values()),
        at_hand=states.get("open", 0) + held - skipped - opined,
        decided=sum(states.get(state, 0) for state in ("done", "escalated", "critical")),
        withdrawn=withdrawn,
    )


def _leased(row: tuple[Any, ...], lease: str, expires: float) -> Leased:
    clip, lang, duration, rate, hypothesis, peaks, held = row
    return Leased(
        lease=held or lease,
        clip=Clip(clip, duration, rate, hypothesis_in(hypothesis), lang, peaks or b""),
        expires=expires,
    )


def _given(reviewer: str, leased: Leased) -> dict[str, Any]:
    """What `_GIVE` gives. By name, since Python 3.14 takes no sequence for numbered parameters."""
    return {"reviewer": reviewer, "lease": leased.lease, "expires": leased.expires, "clip": leased.clip.id}
