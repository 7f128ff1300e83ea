"""What must go from an SQLite store: withdrawn clips at once, critical clips after their hold.

Each function runs in a write transaction and leaves the audio files to the caller: once a key is gone, so is the sound.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


def withdraw(connection: sqlite3.Connection, clips: Iterable[str], now: float) -> tuple[int, list[str]]:
    """Leave of each clip its id, length and decisions' envelopes: no key, text, source or person.

    Returns how many were withdrawn that had not been before, and the ids that the store does not know.
    """
    fresh, unknown = 0, []
    for clip in clips:
        row = connection.execute("SELECT state FROM clip WHERE id = ?", (clip,)).fetchone()
        if row is None:
            unknown.append(clip)
            continue
        if row[0] == "withdrawn":
            continue
        fresh += 1
        connection.execute(
            """UPDATE clip SET state = 'withdrawn', owner = NULL, lease = NULL, lease_until = NULL,
                   subject = NULL, source = NULL, hypothesis = NULL, peaks = NULL
               WHERE id = ?""",
            (clip,),
        )
        connection.execute("DELETE FROM clip_key WHERE clip = ?", (clip,))
        erase_payloads(connection, clip)
        connection.execute("INSERT INTO tombstone (clip, at) VALUES (?, ?)", (clip, now))
    return fresh, unknown


def opt_out(connection: sqlite3.Connection, subject: bytes, now: float) -> list[str]:
    """Refuse the person's clips from now on; returns those that are here."""
    connection.execute("INSERT INTO opt_out (subject, at) VALUES (?, ?) ON CONFLICT DO NOTHING", (subject, now))
    return [clip for (clip,) in connection.execute("SELECT id FROM clip WHERE subject = ?", (subject,))]


def due(connection: sqlite3.Connection, now: float) -> list[str]:
    """Critical clips whose hold is over."""
    return [clip for (clip,) in connection.execute("SELECT clip FROM clip_key WHERE destroy_after <= ?", (now,))]


def destroy(connection: sqlite3.Connection, clips: Iterable[str]) -> None:
    """Destroy critical clips' keys and texts. Their marks stay."""
    for clip in clips:
        connection.execute("DELETE FROM clip_key WHERE clip = ?", (clip,))
        connection.execute("UPDATE clip SET hypothesis = NULL, peaks = NULL WHERE id = ?", (clip,))


def erase_payloads(connection: sqlite3.Connection, clip: str, device: str | None = None) -> int:
    """Erase all payloads of a clip, or those that came from `device`; says how many."""
    return connection.execute(
        """UPDATE line SET payload = NULL
           WHERE clip = :clip AND payload IS NOT NULL AND (:device IS NULL OR device = :device)""",
        {"clip": clip, "device": device},
    ).rowcount
