"""The SQLite file of a store: connections, transactions, the schema and its version, the store's secrets.

Each thread gets a connection of its own, so that a read never waits for a write (write-ahead log). A commit is durable
(synchronous=FULL), and deleted text is overwritten (secure_delete).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from earmark.queue.store.interface import StoreError, StoreUnreachable

VERSION = 2
BUSY_SECONDS = 15.0
_SECRETS = {"store": 16, "pseudonym key": 32, "clip id key": 32, "seal key": 32}
"""What `meta` holds, with its length in bytes: random, drawn at the first opening that misses it."""


class Database:
    """`store.db` (mode 0600) in `folder`, made when missing. Raises `StoreError`, `StoreUnreachable`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "store.db"
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._scrub_owed = False
        try:
            with self.told():
                # Made here and not by SQLite, so that it (and the log, which takes after it) is nobody else's to read.
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            with self.read() as connection:
                self._prepare(connection)
                secret = dict(connection.execute("SELECT name, value FROM meta"))
        except BaseException:
            self.close()
            raise
        self.id: str = secret["store"].hex()
        self.pseudonym_key: bytes = secret["pseudonym key"]
        self.clip_id_key: bytes = secret["clip id key"]
        self.seal_key: bytes = secret["seal key"]

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, each statement seeing what is committed by then."""
        with self.told():
            yield self._connection()

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection in a write transaction: committed, and durable, when the block ends well."""
        with self.told():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        if self._scrub_owed:
            self.scrub()

    def scrub(self) -> None:
        """Empty the write-ahead log, which may still hold text that has been erased.

        A long read elsewhere can stand in the way: then it is tried again after the next write.
        """
        with self.told():
            busy, _, _ = self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._scrub_owed = bool(busy)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Say errors of SQLite and of the file system in the words of `StoreError`."""
        try:
            yield
        except sqlite3.Error as error:
            # Python's own errors (such as a closed connection) have no code.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreUnreachable(f"{self._path}: another program is busy with the store; try again") from error
            if code == sqlite3.SQLITE_FULL:
                raise StoreError(f"{self._path}: the disk is full; make room and try again") from error
            if code == sqlite3.SQLITE_NOTADB:
                raise StoreError(f"{self._path}: not an Earmark store; name another folder") from error
            raise StoreError(f"{self._path}: {error}") from error
        except OSError as error:
            raise StoreError(f"{error.filename or self._path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Close all threads' connections. None may be in use."""
        with self._lock:
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()

    def _connection(self) -> sqlite3.Connection:
        thread = threading.current_thread()
        with self._lock:
            found = self._connections.get(thread)
            if found is not None:
                return found
            for gone in [other for other in self._connections if not other.is_alive()]:
                self._connections.pop(gone).close()
        # Only `close` ever uses a connection from another thread.
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.executescript(
                "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;"
                "PRAGMA temp_store = MEMORY"
            )
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._connections[thread] = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Bring a new file, or an older Earmark's, to the schema; refuse one of a newer Earmark or another program."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreError(
                f"{self._path}: made by a newer Earmark (schema {version}, this one knows {VERSION}); upgrade Earmark"
            )
        if version == 0:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and "meta" not in tables:
                raise StoreError(f"{self._path}: not an Earmark store; name another folder")
            _use_write_ahead_log(connection)
        if version < VERSION:
            schema = (Path(__file__).parent / "schema" / "sqlite.sql").read_text("utf-8")
            try:
                connection.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        if connection.execute("SELECT count(*) FROM meta").fetchone() != (len(_SECRETS),):
            connection.executemany(
                "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(name, secrets.token_bytes(size)) for name, size in _SECRETS.items()],
            )


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # While another program does the same to a new file, this fails at once instead of waiting for the busy timeout.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
