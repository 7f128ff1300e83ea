"""A store in PostgreSQL as the target of a copy: made under the source's id, shut until everything is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

from earmark.queue.store import postgres_schema
from earmark.queue.store.audio_objects import open_objects
from earmark.queue.store.interface import StoreError
from earmark.queue.store.master import check_master
from earmark.queue.store.postgres_schema import COPYING, administering, as_owner
from earmark.queue.store.postgres_url import shown

_COLUMNS = {
    "clip": "id arrival lang duration rate subject source hypothesis peaks",
    "work": "clip arrival lang priority state owner lease lease_until",
    "device": "id reviewer last_seq last_chain forked_at",
    "line": "arrival device seq id reviewer clip verdict late chain envelope payload",
    "quarantine": "device seq clip reason",
    "tombstone": "epoch clip at",
    "opt_out": "subject at",
}
_ORDER = {
    "clip": "arrival",
    "work": "arrival",
    "device": "id",
    "line": "arrival",
    "quarantine": "device, seq",
    "tombstone": "epoch",
    "opt_out": "subject",
}
_READ = {("line", "late"): "late::int", ("line", "id"): "id::text"}
"""How a column is read so that it compares with the source's, where not as it is."""

_PAGE = 2000
"""Rows that are read back at a time."""


class Target:
    """The store at `url`, made or found. `secrets` are the source's id and keys. Raises `StoreError`."""

    def __init__(
        self, url: str, *, secrets: Mapping[str, bytes], audio: str | None, master: Callable[[], bytes]
    ) -> None:
        self._url = url
        self.master = master()
        postgres_schema.init(url, audio=audio, master=lambda: self.master, given=secrets)
        with administering(url) as (connection, roles), as_owner(connection, roles):
            meta: dict[str, bytes] = dict(connection.execute("SELECT name, value FROM earmark.meta").fetchall())
            ((place,),) = connection.execute("SELECT audio FROM earmark.policy").fetchall()
        if meta["store"] != secrets["store"]:
            raise StoreError(f"{shown(url)}: another store is here; name an empty database")
        check_master(self.master, meta["master"], shown(url))
        self.complete = COPYING not in meta
        self.objects = open_objects(place)

    def done(self) -> frozenset[str]:
        """The clips whose audio is in its place."""
        with administering(self._url) as (connection, roles), as_owner(connection, roles):
            return frozenset(clip for (clip,) in connection.execute("SELECT clip FROM earmark.copied").fetchall())

    def note_done(self, batch: Sequence[tuple[str, str, bytes]]) -> None:
        """Note the clips, their audio's names and their sealed keys. What another copy was first with is removed."""
        with administering(self._url) as (connection, roles), as_owner(connection, roles):
            kept = {
                name
                for (name,) in connection.execute(
                    """INSERT INTO earmark.copied (clip, object, key)
                       SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[])
                       ON CONFLICT DO NOTHING RETURNING object""",
                    tuple(list(column) for column in zip(*batch, strict=True)) if batch else ([], [], []),
                ).fetchall()
            }
        self.objects.remove(name for _, name, _ in batch if name not in kept)

    @contextmanager
    def filling(self, keys: Mapping[str, float | None], opinions: int) -> Iterator[Filling]:
        """All rows, in one transaction that commits when the block ends well. `keys` names the clips whose sound is to
        be heard, with the time at which the key is to be destroyed, if any; `opinions` is how many a clip wants.
        """
        with administering(self._url) as (connection, roles), as_owner(connection, roles):
            connection.execute("SET LOCAL search_path = earmark, pg_temp")
            yield Filling(connection)
            connection.execute("UPDATE policy SET opinions = %s", (opinions,))
            connection.execute(
                """INSERT INTO clip_key (clip, key, destroy_after)
                   SELECT clip, copied.key, given.at
                   FROM unnest(%s::text[], %s::float8[]) AS given (clip, at) JOIN copied USING (clip)""",
                (list(keys), list(keys.values())),
            )
            connection.execute("UPDATE clip SET object = copied.object FROM copied WHERE copied.clip = clip.id")
            # Marked or withdrawn in the source since its sound was copied.
            connection.execute(
                """INSERT INTO rubbish (object)
                   SELECT object FROM copied
                   WHERE NOT EXISTS (SELECT FROM clip_key WHERE clip_key.clip = copied.clip)"""
            )
            ((count,),) = connection.execute("SELECT count(*) FROM clip_key").fetchall()
            if count != len(keys):
                raise StoreError(f"{len(keys) - count:,} clips have no sound in the target; run this again")
            for table in ("clip", "line"):
                connection.execute(
                    f"""SELECT setval(pg_get_serial_sequence('{table}', 'arrival'), max(arrival))
                        FROM {table} HAVING count(*) > 0""".encode()  # noqa: S608 - constants
                )
            connection.execute("UPDATE last_epoch SET epoch = (SELECT coalesce(max(epoch), 0) FROM tombstone)")
            connection.execute(
                """INSERT INTO withdrawal (number, at, clips)
                   SELECT 1, max(at), array_agg(clip ORDER BY epoch) FROM tombstone HAVING count(*) > 0"""
            )
            connection.execute(
                """INSERT INTO withdrawal (number, at, subject, clips)
                   SELECT (SELECT count(*) FROM withdrawal) + row_number() OVER (ORDER BY at, subject), at, subject,
                       '{}'
                   FROM opt_out"""
            )
            connection.execute("TRUNCATE copied")
            connection.execute("DELETE FROM meta WHERE name = %s", (COPYING,))
            connection.execute("SELECT note('copy')")

    def finish(self) -> None:
        """Write the withdrawals down outside the database as well, and remove sound that nobody may hear."""
        from earmark.queue.store.postgres import PostgresStore

        store = PostgresStore(self._url, lease_seconds=0.0)
        try:
            store.replay()
        finally:
            store.close()


class Filling:
    """The target's tables, inside the transaction."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def fill(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Copy rows into a table."""
        columns = ", ".join(_COLUMNS[table].split())
        more = ", object" if table == "clip" else ""
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({columns}{more}) FROM STDIN".encode()) as copy,
        ):
            for row in rows:
                copy.write_row((*row, "") if more else row)

    def rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a table as the source has them, in order."""
        columns = ", ".join(_READ.get((table, column), column) for column in _COLUMNS[table].split())
        with self._connection.cursor(f"copied_{table}") as cursor:
            cursor.itersize = _PAGE
            cursor.execute(f"SELECT {columns} FROM {table} ORDER BY {_ORDER[table]}".encode())  # noqa: S608 - constants
            yield from cursor
