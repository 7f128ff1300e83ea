"""Where the clips of an SQLite store stand, and how many opinions they want before they are done."""

from __future__ import annotations

import sqlite3

from earmark.queue.store.interface import Judged
from earmark.queue.store.sqlite_database import Database
from earmark.queue.store.standing import Standing, standing

OWNER_OPINED = "EXISTS (SELECT 1 FROM opinion WHERE opinion.clip = clip.id AND opinion.reviewer = clip.owner)"
"""Whether a clip's owner has a standing opinion on it."""

_STEP = 500
"""Clips that are judged anew in one transaction: nobody who works here waits for long."""


def wanted(connection: sqlite3.Connection) -> int:
    """Of how many different reviewers each clip wants an opinion."""
    (opinions,) = connection.execute("SELECT opinions FROM policy").fetchone()
    return int(opinions)


def stands(connection: sqlite3.Connection, clip: str, opinions: int) -> Standing:
    """Where its decisions leave the clip."""
    history = connection.execute(
        """SELECT reviewer, verdict, payload IS NOT NULL FROM line
           WHERE clip = ? AND verdict IS NOT NULL ORDER BY arrival""",
        (clip,),
    )
    return standing(((reviewer, verdict, bool(has_text)) for reviewer, verdict, has_text in history), opinions)


def put(connection: sqlite3.Connection, clip: str, stands: Standing) -> None:
    """Bring the clip to where it stands: in place of open it is leased while somebody has it who has not decided it."""
    connection.execute(
        f"""UPDATE clip SET state = CASE
                WHEN :stands = 'open' AND owner IS NOT NULL AND NOT {OWNER_OPINED} THEN 'leased' ELSE :stands END
            WHERE id = :clip""",  # noqa: S608 - constants
        {"stands": stands, "clip": clip},
    )


def want(database: Database, opinions: int) -> Judged:
    """As `Store.want_opinions`, for a number that is allowed."""
    with database.write() as connection:
        connection.execute("UPDATE policy SET opinions = ?", (opinions,))
    judged, after = Judged(0, 0), 0
    while True:
        with database.write() as connection:
            # As it is now: somebody may have set another number meanwhile.
            opinions = wanted(connection)
            clips = connection.execute(
                """SELECT arrival, id, state FROM clip WHERE arrival > ? AND state IN ('open', 'leased', 'done')
                   ORDER BY arrival LIMIT ?""",
                (after, _STEP),
            ).fetchall()
            for _, clip, state in clips:
                now = stands(connection, clip, opinions)
                if (state == "done") != (now is Standing.DONE):
                    put(connection, clip, now)
                    judged = Judged(judged.reopened + (state == "done"), judged.done + (state != "done"))
        if len(clips) < _STEP:
            return judged
        after = clips[-1][0]
