"""The way to a store in PostgreSQL: one connection, its errors in our words, and what the database says of itself.

Every request is one call of a function in the schema `earmark`, which is one transaction and one round trip. A program
has one connection, whichever thread asks: a thousand reviewers are a thousand connections as it is.

A PostgreSQL error may quote a row, and a row may hold what somebody said: of an error only its class is told, or the
words where they are our own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from earmark.queue.store.interface import Refused, StoreError, StoreUnreachable
from earmark.queue.store.postgres_url import parameters, shown
from earmark.queue.text import clean_name

SCHEMA = Path(__file__).parent / "schema" / "postgres"
"""The folder of the numbered migrations and, in `functions`, of the functions as they are now."""

_TIMEOUT = "60s"
_REFUSED, _OURS = "EM001", "EM002"
_AGAIN = ("08", "53", "57", "40", "55")  # connection, resources, intervention, rollback, lock: later it may go well
_AT_THE_DOOR = {
    "authentication failed": "28000",
    "no pg_hba.conf entry": "28000",
    "is not permitted to log in": "28000",
    "no password supplied": "28000",
    "permission denied for database": "42501",
}
"""What a server says to whom it does not let in, and the state that it means: of a connection that never was, libpq
tells the words alone. A server that speaks another language is told as it speaks.
"""
_BESIDE = ("DETAIL:", "HINT:", "Is the server running")
_MISSING = ("3F000", "42883", "42P01", "42703")  # schema, function, table, column


class Hello(msgspec.Struct, frozen=True):
    """What the database says when a program comes: the schema's version, the store's id, a check value for the master
    key, where the audio lies, in whose name the login role reviews (None: nobody's), and whether it supervises.
    """

    version: int
    store: str
    master: str
    audio: str
    reviewer: str | None
    supervisor: bool


def known_version() -> int:
    """The schema that this program knows: the number of the last migration."""
    return max(int(path.name[:4]) for path in SCHEMA.glob("[0-9]*.sql"))


class Database:
    """A connection to the store that `url` names, made again when it is lost. Raises `StoreError`."""

    def __init__(self, url: str, via: str | None = None) -> None:
        # Under this name the server's audit has us, beside the address that it sees itself.
        named = {} if via is None else {"application_name": via}
        self._conninfo = make_conninfo(**parameters(url) | named)
        self.where = shown(url)
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._closed = False
        self._store: str | None = None
        self.known: Hello
        """What the database said of itself when the connection was made, or made again."""
        with self._lock, told(self.where):
            self._connected()

    def rows(self, query: str, given: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one call. Raises `StoreUnreachable` when the connection is lost: whether it was done, the next
        answers tell.
        """
        with self._lock, told(self.where):
            # Every value goes as a parameter, never into the query's text.
            return self._connected().execute(query.encode(), given).fetchall()

    def row(self, query: str, given: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The only row of one call."""
        (row,) = self.rows(query, given)
        return row

    def close(self) -> None:
        """Close the connection. It is not made again."""
        with self._lock:
            self._closed = True
            self._drop()

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._closed:
            raise StoreError(f"{self.where}: the store has been closed")
        if self._connection is not None:
            # The server may have gone while nobody asked. The first look takes in its last words, the second finds the
            # end of the stream; neither waits.
            with contextlib.suppress(psycopg.Error):
                self._connection.pgconn.consume_input()
                self._connection.pgconn.consume_input()
            if self._connection.broken or self._connection.closed:
                self._drop()
        if self._connection is None:
            connection = psycopg.connect(self._conninfo, autocommit=True, prepare_threshold=2)
            try:
                hello = _hello(connection, self.where)
                if self._store not in (None, hello.store):
                    raise StoreError(f"{self.where}: another store lies here now; start again")
            except BaseException:
                connection.close()
                raise
            self._connection, self._store, self.known = connection, hello.store, hello
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _hello(connection: psycopg.Connection[Any], where: str) -> Hello:
    row = connection.execute(
        "SELECT earmark.hello()::text, set_config('statement_timeout', %s, false)", (_TIMEOUT,)
    ).fetchone()
    try:
        # A newer schema may say more, or other things: its version is read first.
        version = msgspec.json.decode(row[0], type=dict[str, Any])["version"] if row else None
        check_version(version, where)
        return msgspec.json.decode(row[0], type=Hello) if row else Hello(0, "", "", "", None, False)
    except (msgspec.MsgspecError, KeyError):
        raise StoreError(f"{where}: this is no Earmark store that this program understands; upgrade Earmark") from None


def check_version(version: object, where: str) -> None:
    """Refuse a schema that is not this program's. Raises `StoreError`."""
    known = known_version()
    if not isinstance(version, int):
        raise StoreError(f"{where}: the store was never finished; run 'earmark store init' again")
    if version > known:
        raise StoreError(
            f"{where}: made by a newer Earmark (schema {version}, this one knows {known}); upgrade Earmark. "
            "What you decide meanwhile stays in the journal and goes in afterwards"
        )
    if version < known:
        raise StoreError(
            f"{where}: made by an older Earmark (schema {version}, this one needs {known}); "
            "whoever runs the store must run 'earmark store upgrade'"
        )


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """Say errors of psycopg in the words of `StoreError`, without anything that the database quotes."""
    try:
        yield
    except psycopg.Error as error:
        raise _in_words(error, where) from None


def _in_words(error: psycopg.Error, where: str) -> StoreError:
    state = error.sqlstate or ""
    if state in (_REFUSED, _OURS):
        words = clean_name(error.diag.message_primary or "refused", most=None)
        return Refused(words) if state == _REFUSED else StoreError(words)
    if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        # From this side of the wire: no row is in it. libpq gives one line an address that it tried, and hints.
        lines = [clean_name(line.strip()) for line in str(error).splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if not line.startswith(_BESIDE)), "no reason given")
        state = next((meant for words, meant in _AT_THE_DOOR.items() if words in said), "")
        if not state:
            return StoreUnreachable(f"{where}: the store does not answer: {said}")
    if state.startswith("28"):
        return StoreError(f"{where}: the login was refused; check the user and the password (or certificate)")
    if state == "3D000":
        return StoreError(f"{where}: there is no such database; make it with createdb, then run 'earmark store init'")
    if state == "42501":
        return Refused(
            f"{where}: this login role may not do that. Who reviews is added with 'earmark store add-reviewer'; "
            "loading, export and withdrawal are a supervisor's"
        )
    if state in _MISSING:
        return StoreError(f"{where}: no Earmark store of this program's version; run 'earmark store init' or 'upgrade'")
    if state == "53100":
        return StoreError(f"{where}: the database's disk is full; make room and try again")
    if state.startswith(_AGAIN):
        return StoreUnreachable(f"{where}: the database is busy or going down ({state}); try again")
    return StoreError(
        f"{where}: the database refused the request ({state or type(error).__name__}); its own log says why"
    )
