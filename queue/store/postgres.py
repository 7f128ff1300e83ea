"""A store in PostgreSQL for a team: leases, lines and rights are the database's, the audio lies beside it, sealed.

The connection's login role is one reviewer, or a supervisor; the `reviewer` that a program names must be who the
database takes the role for. Keys of clips come sealed under the master key, which only a program has that may play or
load: whoever steals the database has no sound. The clock is the server's.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from earmark.queue.clip import Clip
from earmark.queue.seal import NotSealed, unseal
from earmark.queue.store.audio_objects import Objects, open_objects
from earmark.queue.store.hypotheses import hypothesis_in
from earmark.queue.store.interface import (
    Counts,
    Head,
    Incoming,
    Judged,
    Leased,
    Pushed,
    Quarantined,
    Result,
    StoreError,
    StoreUnreachable,
    Unknown,
)
from earmark.queue.store.postgres_database import Database
from earmark.queue.store.postgres_withdrawals import Withdrawals

if TYPE_CHECKING:
    from earmark.queue.journal.line import Parts


class PostgresStore:
    """`Store` in the schema `earmark` of the database that `url` names. Raises `StoreError` where there is none.

    `lease_seconds` is how long leases last, up to the store's own policy; how long a critical clip is held is the
    policy's alone. `master_key` as in `open_store`: without one all goes but sound, loading and withdrawing a person.
    `via` says in the audit how somebody came here.
    """

    def __init__(
        self, url: str, *, lease_seconds: float, master_key: str | None = None, via: str | None = None
    ) -> None:
        self._database = Database(url, via)
        self._lease_seconds = lease_seconds
        self._master_setting = master_key
        self._master: bytes | None = None
        self._objects: Objects | None = None
        self._withdrawals = Withdrawals(self._database)
        self.id = self._database.known.store
        self.reviewer = self._database.known.reviewer

    # What a reviewer may ask

    def head(self, device: str) -> Head:
        return Head(*self._database.row("SELECT last_seq, last_chain FROM earmark.head(%s)", (device,)))

    def public_key(self) -> bytes:
        (public, _) = self._database.row("SELECT public, private FROM earmark.seal_keys()", ())
        return bytes(public)

    def push(self, device: str, reviewer: str, lines: Sequence[bytes]) -> Pushed:
        from earmark.queue.store.frames import parted

        parts = self._opened(parted(lines))
        seq, chain, fork, quarantined = self._database.row(
            """SELECT last_seq, last_chain, fork, to_json(quarantined)::text
               FROM earmark.push(%s, %s, %b::bytea[], %b::bytea[], %b::text[], %s)""",
            (
                reviewer,
                device,
                [part.envelope for part in parts],
                [part.payload for part in parts],
                [part.chain for part in parts],
                self._lease_seconds,
            ),
        )
        aside = tuple(Quarantined(one["seq"], one["reason"]) for one in json.loads(quarantined))
        return Pushed(Head(seq, chain), aside, fork)

    def quarantined(self, device: str) -> tuple[Quarantined, ...]:
        rows = self._database.rows("SELECT seq, reason FROM earmark.quarantined(%s)", (device,))
        return tuple(Quarantined(seq, reason) for seq, reason in rows)

    def withdrawn(self, after: int = 0) -> tuple[int, tuple[str, ...]]:
        epoch, clips = self._database.row("SELECT epoch, clips FROM earmark.withdrawn(%s)", (after,))
        return epoch, tuple(clips)

    def lease(
        self,
        reviewer: str,
        count: int,
        *,
        lang: str | None = None,
        first: Sequence[str] = (),
        seconds: float | None = None,
    ) -> list[Leased]:
        self._withdrawals.check()
        lasting = self._lease_seconds if seconds is None else seconds
        return self._leased(
            "SELECT * FROM earmark.lease(%s, %s, %s, %s::text[], %s)",
            (reviewer, count, lang, list(first), lasting),
        )

    def reopen(self, reviewer: str, clips: Sequence[str]) -> list[Leased]:
        self._withdrawals.check()
        return self._leased(
            "SELECT * FROM earmark.reopen(%s, %s::text[], %s)", (reviewer, list(clips), self._lease_seconds)
        )

    def renew(self, reviewer: str, clips: Sequence[str]) -> frozenset[str]:
        self._withdrawals.check()
        (held,) = self._database.row(
            "SELECT earmark.renew(%s, %s::text[], %s)", (reviewer, list(clips), self._lease_seconds)
        )
        return frozenset(held)

    def release(self, reviewer: str, clips: Sequence[str]) -> None:
        self._database.row("SELECT earmark.release(%s, %s::text[])", (reviewer, list(clips)))

    def audio(self, reviewer: str, clip: str) -> bytes:
        self._withdrawals.check()
        key, name = self._database.row("SELECT key, object FROM earmark.audio_key(%s, %s)", (reviewer, clip))
        master = self._master_key()
        try:
            sealed = self._audio_objects().read(name)
        except FileNotFoundError:
            raise StoreError(f"the sound of clip {clip} is missing; bring the store's audio back from a copy") from None
        except OSError as error:
            raise StoreUnreachable(f"the sound of clip {clip} cannot be read: {error.strerror}") from error
        try:
            return unseal(unseal(master, key, clip.encode()), sealed, clip.encode())
        except NotSealed:
            raise StoreError(f"the sound of clip {clip} is damaged; bring it back from a copy") from None

    def counts(self, reviewer: str) -> Counts:
        return Counts(*self._database.row("SELECT * FROM earmark.counts(%s)", (reviewer,)))

    def close(self) -> None:
        self._database.close()

    # What a supervisor may ask as well

    def add(self, clips: Iterable[Incoming]) -> Iterator[str]:
        from earmark.queue.store import postgres_intake

        return postgres_intake.add(self._database, self._audio_objects(), self._master_key(), clips, self.withdraw)

    def withdraw(self, clips: Sequence[str]) -> int:
        self._refuse_behind()
        fresh, unknown = self._database.row("SELECT fresh, unknown FROM earmark.withdraw(%s::text[])", (list(clips),))
        self._remove_rubbish()
        self._withdrawals.write_down()
        if unknown:
            raise Unknown(tuple(unknown))
        return int(fresh)

    def withdraw_subject(self, subject: str) -> int:
        from earmark.queue.store import postgres_intake
        from earmark.queue.store.naming import pseudonym

        self._refuse_behind()
        key = postgres_intake.secrets_of(self._database, self._master_key()).pseudonym
        (count,) = self._database.row("SELECT earmark.withdraw_subject(%s)", (pseudonym(key, subject),))
        self._remove_rubbish()
        self._withdrawals.write_down()
        return int(count)

    def rewrite_log(self) -> None:
        """Write the log of withdrawals anew, from this database: for one that is lost for good."""
        self._withdrawals.rewrite()

    def check_withdrawals(self) -> None:
        self._withdrawals.check()

    def replay(self) -> tuple[int, int]:
        replayed = self._withdrawals.replay()
        self._remove_rubbish()
        return replayed

    def results(
        self, verdicts: frozenset[str] | None = None, *, every_revision: bool = False, source: bool = False
    ) -> Iterator[Result]:
        from earmark.queue.store import postgres_results

        self._refuse_behind()
        return postgres_results.results(self._database, verdicts, every_revision=every_revision, source=source)

    def opinions(self) -> int:
        (opinions,) = self._database.row("SELECT earmark.want_opinions(NULL)")
        return int(opinions)

    def want_opinions(self, opinions: int) -> Judged:
        self._database.row("SELECT earmark.want_opinions(%s)", (opinions,))
        judged, after = Judged(0, 0), ""
        while after is not None:
            after, reopened, done = self._database.row("SELECT upto, reopened, done FROM earmark.judge(%s)", (after,))
            judged = Judged(judged.reopened + reopened, judged.done + done)
        return judged

    def purge(self, now: float | None = None) -> int:
        (count,) = self._database.row("SELECT earmark.purge(%s)", (now,))
        if self._database.known.supervisor:
            self._remove_rubbish()
            # What a program that died has not written down any more; where that cannot be done, `check` tells.
            with contextlib.suppress(StoreError):
                self._withdrawals.write_down()
        return int(count)

    def _opened(self, lines: list[Parts]) -> list[Parts]:
        """The lines with the payloads of offline sittings in the clear; the database sets aside one that does not open,
        since it is not what was committed.
        """
        from earmark.queue.journal.line import BadLine
        from earmark.queue.journal.sealing import is_sealed, opened
        from earmark.queue.store.postgres_intake import SEAL_KEY

        if not any(is_sealed(parts) for parts in lines):
            return lines
        (_, sealed) = self._database.row("SELECT public, private FROM earmark.seal_keys()", ())
        private = unseal(self._master_key(), bytes(sealed), SEAL_KEY.encode())
        clear = []
        for parts in lines:
            try:
                clear.append(opened(parts, private))
            except BadLine:
                clear.append(parts)
        return clear

    def _leased(self, query: str, given: Sequence[Any]) -> list[Leased]:
        return [
            Leased(lease, Clip(clip, duration, rate, hypothesis_in(hypothesis), lang, peaks or b""), expires)
            for lease, clip, lang, duration, rate, hypothesis, peaks, expires in self._database.rows(query, given)
        ]

    def _refuse_behind(self) -> None:
        """A withdrawal or an export waits for withdrawals that the database has forgotten, but not for a log that is
        out of reach: supervisors sit elsewhere, too.
        """
        with contextlib.suppress(StoreUnreachable):
            self._withdrawals.check()

    def _remove_rubbish(self) -> None:
        """Remove sealed audio whose keys are destroyed. The keys went first: what cannot be reached from here is noise,
        and goes when somebody comes by who can reach it (`earmark store check` tells how much waits).
        """
        names = [name for (name,) in self._database.rows("SELECT * FROM earmark.to_remove()")]
        if not names:
            return
        try:
            self._audio_objects().remove(names)
        except (OSError, StoreError):
            return
        self._database.row("SELECT earmark.removed(%s::text[])", (names,))

    def _audio_objects(self) -> Objects:
        if self._objects is None:
            self._objects = open_objects(self._database.known.audio)
        return self._objects

    def _master_key(self) -> bytes:
        if self._master is None:
            from earmark.queue.store.master import check_master, read_master

            if self._master_setting is None:
                raise StoreError(
                    f"{self._database.where}: sound is sealed under a master key; set master_key (EARMARK_MASTER_KEY) "
                    "to the file that holds it, or to command:… that prints it"
                )
            master = read_master(self._master_setting)
            check_master(master, bytes.fromhex(self._database.known.master), self._database.where)
            self._master = master
        return self._master
