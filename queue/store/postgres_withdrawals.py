"""Whether every withdrawal that was ever written down is in force in this database, and how that comes about."""

from __future__ import annotations

from earmark.queue.store.interface import StoreError, StoreUnreachable
from earmark.queue.store.postgres_database import Database
from earmark.queue.store.withdrawal_log import Logged, WithdrawalLog, open_log


class Behind(StoreError):
    """The database has forgotten withdrawals that are written down outside it."""


class Withdrawals:
    """The withdrawals of the store in `database`, and the log outside it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._opened: WithdrawalLog | None = None

    def check(self) -> None:
        """Return when all that the log knows is in force. Raises `Behind`, and `StoreUnreachable` where the log cannot
        be read from here: who cannot see whether a clip is withdrawn gives it to nobody.
        """
        where = self._database.where
        try:
            log = self._log()
            in_force, outside = self._numbers()
            while ahead := log.has(in_force + 1):
                now = self._numbers()
                if now[0] == in_force:
                    break
                in_force, outside = now  # it came into force, and was written down, between the two questions
            # What is in force here but not outside yet is about to be written down, perhaps this very moment.
            lacking = ahead or (in_force > outside and not self._same(log, outside + 1))
            lost = outside > 0 and not log.has(outside)
        except OSError as error:
            raise StoreUnreachable(
                f"{where}: whether every withdrawal is in force cannot be seen from here, so no clip is given out: the "
                f"log beside the audio cannot be read: {error.strerror}"
            ) from None
        if lost:
            raise Behind(
                f"{where}: the log of withdrawals beside the audio has lost its end; no clip is given out before it is "
                "brought back from a copy"
            )
        if lacking:
            raise Behind(
                f"{where}: the database was restored from an older copy and has forgotten withdrawals; no clip is "
                "given out before whoever runs the store has put them in force again with 'earmark store replay'"
            )

    def write_down(self) -> None:
        """Write down outside what is in force here and not outside yet. Raises `StoreError`; it is in force all the
        same.
        """
        number: int
        try:
            for number, at, subject, clips in self._database.rows("SELECT * FROM earmark.not_outside()"):
                if not self._log().append(_logged(number, at, subject, clips)):
                    raise Behind(
                        "it is withdrawn, but the log outside the database knows of others that the database has "
                        "forgotten; run 'earmark store replay'"
                    )
                self._database.row("SELECT earmark.is_outside(%s)", (number,))
        except OSError as error:
            raise StoreError(
                "it is withdrawn, but not yet written down outside the database: the log beside the audio cannot be "
                f"written from here ({error.strerror}); run 'earmark store replay' where it can"
            ) from None

    def rewrite(self) -> None:
        """Write all of the log anew, from this database: for a log that is lost for good. Raises `StoreError`."""
        try:
            open_log(self._database.known.audio, self._database.known.store).start()
        except OSError as error:
            raise StoreError(f"{self._database.where}: no log can be kept beside the audio: {error.strerror}") from None
        self._database.row("SELECT earmark.nothing_outside()")
        self.write_down()

    def replay(self) -> tuple[int, int]:
        """Put in force what the database has forgotten, then write down what the log lacks; says how many withdrawals
        were put in force, and how many clips that took. Begins the log where there is none. Raises `StoreError`.
        """
        replayed = taken = 0
        try:
            log = open_log(self._database.known.audio, self._database.known.store)
            _, outside = self._numbers()
            if outside > 0 and not (log.is_here() and log.has(outside)):
                raise StoreError(
                    f"{self._database.where}: {outside} withdrawals were written down in a log beside the audio, and "
                    "it is not there, or has lost its end: mount it, or bring it back from a copy. Only where it is "
                    "lost for good: earmark store replay --log-lost"
                )
            log.start()
            waiting = {row[0]: _logged(*row) for row in self._database.rows("SELECT * FROM earmark.not_outside()")}
            number = outside + 1
            while (logged := log.read(number)) is not None:
                if not replayed and waiting.get(number) == logged:
                    self._database.row("SELECT earmark.is_outside(%s)", (number,))
                else:
                    subject = None if logged.subject is None else bytes.fromhex(logged.subject)
                    (count,) = self._database.row(
                        "SELECT earmark.replay(%s, %s, %s, %s::text[])",
                        (number, logged.at, subject, list(logged.clips)),
                    )
                    replayed, taken = replayed + 1, taken + count
                number += 1
        except OSError as error:
            raise StoreError(
                f"{self._database.where}: the log of withdrawals beside the audio cannot be read: {error.strerror}"
            ) from None
        self.write_down()
        return replayed, taken

    def _numbers(self) -> tuple[int, int]:
        in_force, outside = self._database.row("SELECT in_force, outside FROM earmark.withdrawals()")
        return in_force, outside

    def _same(self, log: WithdrawalLog, number: int) -> bool:
        """Whether the log has not got that withdrawal yet, or has the one that the database has. Reviewers may not ask
        which that is.
        """
        if not self._database.known.supervisor or not log.has(number):
            return True
        waiting = {row[0]: _logged(*row) for row in self._database.rows("SELECT * FROM earmark.not_outside()")}
        return number not in waiting or log.read(number) == waiting[number]

    def _log(self) -> WithdrawalLog:
        if self._opened is None:
            log = open_log(self._database.known.audio, self._database.known.store)
            if not log.is_here():
                raise StoreUnreachable(
                    f"{self._database.where}: the log of withdrawals is not beside the audio, so no clip is given out: "
                    "is the folder mounted here? Where the store is new, whoever runs it runs 'earmark store replay'"
                )
            self._opened = log
        return self._opened


def _logged(number: int, at: float, subject: bytes | None, clips: list[str]) -> Logged:
    return Logged(number, at, tuple(clips), None if subject is None else subject.hex())
