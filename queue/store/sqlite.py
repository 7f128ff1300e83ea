"""A store on this machine: a folder (0700) with `store.db` (SQLite) and `audio/`, sealed under a key for each clip.

Several programs may use it at once, and each may call from any of its threads: every thread has its own connection.

What only pushing, loading and exporting need is imported there: the review screen's first paint waits for leases alone.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from earmark.queue.seal import NotSealed, public_key_of, unseal
from earmark.queue.store import sqlite_erase, sqlite_lease
from earmark.queue.store.interface import (
    Counts,
    Head,
    Incoming,
    Judged,
    Leased,
    Pushed,
    Quarantined,
    Refused,
    Result,
    StoreError,
    Unknown,
)
from earmark.queue.store.objects import AudioObjects
from earmark.queue.store.sqlite_database import Database
from earmark.queue.store.sqlite_log import WithdrawalLog


class SqliteStore:
    """`Store` in a folder, made when missing.

    `lease_seconds`, `critical_hold` and `most_lease` as in `open_store`; `clock` gives Unix seconds. Raises
    `StoreError` where the folder cannot be used or was made by a newer Earmark.
    """

    def __init__(
        self,
        folder: Path,
        *,
        lease_seconds: float,
        critical_hold: float,
        most_lease: float = 7 * 86400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            self._objects = AudioObjects(folder / "audio")
        except OSError as error:
            if isinstance(error, PermissionError) and os.path.isdir(folder):  # noqa: PTH112 - raises nothing
                raise StoreError(
                    f"{folder}: this store is another account's: use that account, or come in by its `earmark gate`"
                ) from error
            raise StoreError(f"{folder}: no store can be made here: {error.strerror}") from error
        self._database = Database(folder)
        self._log = WithdrawalLog(folder, self._database)
        self._lease_seconds = lease_seconds
        self._critical_hold = critical_hold
        self._most_lease = max(most_lease, lease_seconds)
        self._clock = clock
        self.id = self._database.id

    # What a reviewer may ask

    def public_key(self) -> bytes:
        return public_key_of(self._database.seal_key)

    def head(self, device: str) -> Head:
        from earmark.queue.store import ingest

        with self._database.read() as connection:
            return ingest.head(connection, device)

    def push(self, device: str, reviewer: str, lines: Sequence[bytes]) -> Pushed:
        from earmark.queue.store import ingest

        terms = ingest.Terms(self._clock(), self._lease_seconds, self._critical_hold, self._database.seal_key)
        with self._database.write() as connection:
            pushed, erased = ingest.push(connection, device, reviewer, lines, terms)
        if erased:
            self._database.scrub()
        return pushed

    def withdrawn(self, after: int = 0) -> tuple[int, tuple[str, ...]]:
        with self._database.read() as connection:
            (epoch,) = connection.execute("SELECT coalesce(max(epoch), 0) FROM tombstone").fetchone()
            rows = connection.execute(
                "SELECT epoch, clip FROM tombstone WHERE epoch > ? ORDER BY epoch", (after if after <= epoch else 0,)
            ).fetchall()
        # A clip may have been withdrawn between the two questions.
        return max([epoch, *(number for number, _ in rows)]), tuple(clip for _, clip in rows)

    def lease(
        self,
        reviewer: str,
        count: int,
        *,
        lang: str | None = None,
        first: Sequence[str] = (),
        seconds: float | None = None,
    ) -> list[Leased]:
        now = self._clock()
        lasting = self._lease_seconds if seconds is None else min(max(seconds, 0.0), self._most_lease)
        self._log.check()
        self.purge(now)
        with self._database.write() as connection:
            sqlite_lease.expire(connection, now)
            return sqlite_lease.take(
                connection,
                reviewer=reviewer,
                count=count,
                lang=lang,
                first=first,
                lease=uuid.uuid4().hex,
                expires=now + lasting,
            )

    def reopen(self, reviewer: str, clips: Sequence[str]) -> list[Leased]:
        now = self._clock()
        self._log.check()
        with self._database.write() as connection:
            sqlite_lease.expire(connection, now)
            return sqlite_lease.reopen(
                connection, reviewer=reviewer, clips=clips, lease=uuid.uuid4().hex, expires=now + self._lease_seconds
            )

    def quarantined(self, device: str) -> tuple[Quarantined, ...]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT seq, reason FROM quarantine WHERE device = ? ORDER BY seq", (device,))
            return tuple(Quarantined(seq, reason) for seq, reason in rows)

    def renew(self, reviewer: str, clips: Sequence[str]) -> frozenset[str]:
        self._log.check()
        with self._database.write() as connection:
            return sqlite_lease.renew(
                connection, reviewer, clips, lease=uuid.uuid4().hex, expires=self._clock() + self._lease_seconds
            )

    def release(self, reviewer: str, clips: Sequence[str]) -> None:
        with self._database.write() as connection:
            sqlite_lease.release(connection, reviewer, clips)

    def audio(self, reviewer: str, clip: str) -> bytes:
        self._log.check()
        with self._database.read() as connection:
            row = connection.execute(
                """SELECT state, owner = ? AND lease_until > ?, key
                   FROM clip LEFT JOIN clip_key ON clip_key.clip = clip.id WHERE id = ?""",
                (reviewer, self._clock(), clip),
            ).fetchone()
        if row is None:
            raise Refused(f"the store has no clip {clip}")
        state, leased, key = row
        if state == "withdrawn":
            raise Refused(f"clip {clip} has been withdrawn")
        if key is None or state == "critical":
            raise Refused(f"clip {clip} is marked critical: its sound is closed")
        if not leased:
            raise Refused(f"clip {clip} is not leased to {reviewer}, or no longer")
        try:
            return unseal(key, self._objects.read(clip), clip.encode())
        except FileNotFoundError:
            raise StoreError(f"the sound of clip {clip} is missing; bring the store's audio folder back") from None
        except OSError as error:
            raise StoreError(f"the sound of clip {clip} cannot be read: {error.strerror}") from error
        except NotSealed:
            raise StoreError(f"the sound of clip {clip} is damaged; bring its file back from a copy") from None

    def counts(self, reviewer: str) -> Counts:
        with self._database.read() as connection:
            return sqlite_lease.counts(connection, reviewer, self._clock())

    def close(self) -> None:
        self._database.close()

    # What a supervisor may ask as well

    def add(self, clips: Iterable[Incoming]) -> Iterator[str]:
        from earmark.queue.store import sqlite_intake

        return sqlite_intake.add(self._database, self._objects, clips, self.withdraw)

    def withdraw(self, clips: Sequence[str]) -> int:
        self._log.check()
        with self._database.write() as connection:
            fresh, unknown = sqlite_erase.withdraw(connection, clips, self._clock())
        gone = set(clips).difference(unknown)
        self._forget(gone)
        self._log.write_down()
        if unknown:
            raise Unknown(tuple(unknown))
        return fresh

    def withdraw_subject(self, subject: str) -> int:
        from earmark.queue.store.naming import pseudonym

        self._log.check()
        with self._database.write() as connection:
            now = self._clock()
            clips = sqlite_erase.opt_out(connection, pseudonym(self._database.pseudonym_key, subject), now)
            sqlite_erase.withdraw(connection, clips, now)
        self._forget(clips)
        self._log.write_down()
        return len(clips)

    def check_withdrawals(self) -> None:
        self._log.check()

    def replay(self) -> tuple[int, int]:
        before, _ = self.withdrawn()
        replayed = self._log.replay()
        self._forget(self.withdrawn(before)[1])
        return replayed

    def results(
        self, verdicts: frozenset[str] | None = None, *, every_revision: bool = False, source: bool = False
    ) -> Iterator[Result]:
        from earmark.queue.store import sqlite_results

        self._log.check()
        return sqlite_results.results(self._database, verdicts, every_revision=every_revision, source=source)

    def opinions(self) -> int:
        from earmark.queue.store import sqlite_standing

        with self._database.read() as connection:
            return sqlite_standing.wanted(connection)

    def want_opinions(self, opinions: int) -> Judged:
        from earmark.queue.store import sqlite_standing

        return sqlite_standing.want(self._database, opinions)

    def purge(self, now: float | None = None) -> int:
        # What a program that died has not written down any more.
        with contextlib.suppress(StoreError):
            self._log.write_down()
        now = self._clock() if now is None else now
        with self._database.read() as connection:
            if not sqlite_erase.due(connection, now):
                return 0
        with self._database.write() as connection:
            clips = sqlite_erase.due(connection, now)
            sqlite_erase.destroy(connection, clips)
        self._forget(clips)
        return len(clips)

    def _forget(self, clips: Iterable[str]) -> None:
        """Remove the sealed audio of clips whose keys are destroyed, and old text from the log.

        The keys went first: a file that a crash leaves here is noise, and withdrawing the clip again removes it.
        """
        with self._database.told():
            self._objects.remove(clips)
        self._database.scrub()
