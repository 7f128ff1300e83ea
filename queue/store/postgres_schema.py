"""Making and upgrading a store in PostgreSQL: roles, rights, the numbered migrations of the schema, and its functions.

Three roles that nobody can log in as, named after the database: the owner has the tables and runs the functions,
reviewers and supervisors may call theirs. Login roles become members. All of it is one transaction under an advisory
lock, so that two administrators, or one that loses the connection, leave a whole store or none.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from earmark.queue.seal import public_key_of, seal
from earmark.queue.store.interface import StoreError, StoreUnreachable
from earmark.queue.store.master import check_of
from earmark.queue.store.postgres_database import SCHEMA, check_version, known_version, told
from earmark.queue.store.postgres_intake import CLIP_ID_KEY, PSEUDONYM_KEY, SEAL_KEY
from earmark.queue.store.postgres_url import parameters, shown

_LOCK = 0x6561726D61726B  # "earmark"
_LOCK_SECONDS = 30
"""How long one administrator waits for another. Any login can hold that lock, and for ever."""

COPYING = "copying"
"""In `meta` while a store is being copied here."""

_ID_BYTES, _KEY_BYTES = 16, 32
_LONGEST_NAME = 50  # of a database, so that the roles named after it stay within PostgreSQL's 63 bytes


class Roles(msgspec.Struct, frozen=True):
    """The names of a store's group roles."""

    owner: str
    reviewer: str
    supervisor: str


class Made(msgspec.Struct, frozen=True):
    """What `init` or `upgrade` did: the schema's version before (0: there was none) and now, and the group roles."""

    before: int
    now: int
    roles: Roles


def init(url: str, *, audio: str | None, master: Callable[[], bytes], given: Mapping[str, bytes] | None = None) -> Made:
    """Make a store in the database; where there is one, see to its roles and rights and bring it up to date.

    `audio` says where a new store's audio will lie, `master` gives its master key; `given` are the id and the keys of a
    store that is copied here, which stays shut until it is. Needs a role that may create roles
    and owns the database. Raises `StoreError`.
    """
    with administering(url) as (connection, roles):
        _make_roles(connection, roles)
        _shut_the_database(connection, roles, shown(url))
        with as_owner(connection, roles):
            made = _migrate(connection, roles, shown(url))
            if made.before == 0:
                if audio is None:
                    raise StoreError(f"{shown(url)}: no store is here yet; say with --audio where its audio will lie")
                _fill(connection, audio, master(), given)
        _start_log(connection, roles, False)
    _begin_log(url)
    return made


def upgrade(url: str) -> Made:
    """Bring an older schema to the version that this program knows. Raises `StoreError`."""
    with administering(url) as (connection, roles):
        if _version(connection) is None:
            raise StoreError(f"{shown(url)}: no Earmark store is here yet; run 'earmark store init'")
        with as_owner(connection, roles):
            made = _migrate(connection, roles, shown(url))
        _start_log(connection, roles, False)
    _begin_log(url)
    return made


def add_person(url: str, reviewer: str, role: str, *, supervisor: bool) -> bool:
    """Let the login role `role` review as `reviewer`, and supervise; says whether the role was made for it.

    Raises `StoreError` when either belongs to somebody else already.
    """
    with administering(url) as (connection, roles):
        check_version(_version(connection), shown(url))
        if role in (roles.owner, roles.reviewer, roles.supervisor):
            raise StoreError(f"'{role}' is a group's name; give the person a login role of their own")
        with as_owner(connection, roles):
            copying = connection.execute("SELECT 1 FROM earmark.meta WHERE name = %s", (COPYING,)).fetchone()
        if copying is not None:
            raise StoreError(
                f"{shown(url)}: a store is being copied here and not whole yet; run 'earmark store copy' again to go on"
            )
        there = _role_exists(connection, role)
        if not there:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        group = roles.supervisor if supervisor else roles.reviewer
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(role)))
        with as_owner(connection, roles):
            rows = connection.execute(
                """INSERT INTO earmark.person (role, reviewer) VALUES (%(role)s, %(reviewer)s)
                   ON CONFLICT DO NOTHING RETURNING role""",
                {"role": role, "reviewer": reviewer},
            ).fetchall()
            known = connection.execute(
                "SELECT 1 FROM earmark.person WHERE role = %s AND reviewer = %s", (role, reviewer)
            ).fetchone()
        if not rows and known is None:
            raise StoreError(
                f"the role '{role}' or the reviewer '{reviewer}' is somebody else's already; nothing was done"
            )
        return not there


def remove_person(url: str, role: str) -> None:
    """Let the login role do nothing more in this store. What it decided stays. Raises `StoreError`."""
    with administering(url) as (connection, roles):
        check_version(_version(connection), shown(url))
        with as_owner(connection, roles):
            gone = connection.execute("DELETE FROM earmark.person WHERE role = %s RETURNING 1", (role,)).fetchone()
        if gone is None:
            raise StoreError(f"the store knows nobody by the login role '{role}'")
        for group in (roles.reviewer, roles.supervisor):
            connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(group), sql.Identifier(role)))
        # A supervisor is a reviewer, too.
        for group in (roles.supervisor, roles.reviewer):
            _refuse_member(connection, role, group)


def _refuse_member(connection: psycopg.Connection[Any], role: str, group: str) -> None:
    """Raise `StoreError` where the role is a member of the group still: a later PostgreSQL (16) takes away what the
    same role has given and nothing else, and a membership may come through a third role. A superuser is in all groups,
    and whoever administers the store may have made them: both can let themselves in again.
    """
    given = {"role": role, "group": group}
    member = connection.execute(
        """SELECT 1 FROM pg_roles
           WHERE rolname = %(role)s AND NOT rolsuper AND rolname <> current_user
               AND pg_has_role(rolname, %(group)s, 'MEMBER')""",
        given,
    ).fetchone()
    if member is None:
        return
    rows = connection.execute(
        """SELECT holder.rolname, grantor.rolname
           FROM pg_auth_members AS membership
               JOIN pg_roles AS holder ON holder.oid = membership.member
               JOIN pg_roles AS grantor ON grantor.oid = membership.grantor
           WHERE membership.roleid = %(group)s::regrole AND pg_has_role(%(role)s, holder.oid, 'MEMBER')
           ORDER BY holder.rolname <> %(role)s, holder.rolname, grantor.rolname""",
        {"role": role, "group": sql.Identifier(group).as_string(connection)},
    ).fetchall()
    statements = [
        sql.SQL("REVOKE {} FROM {} GRANTED BY {}").format(*map(sql.Identifier, (group, holder, grantor)))
        for holder, grantor in rows
        if holder == role
    ]
    if statements:
        raise StoreError(
            f"'{role}' was let into '{group}' by another role than yours, and would stay in it; nothing was done. Run "
            f"{'; '.join(statement.as_string(connection) for statement in statements)} in psql, then this again"
        )
    through = ", ".join(f"'{holder}'" for holder, _ in rows)
    raise StoreError(
        f"'{role}' would stay in '{group}', as a member of {through}; nothing was done. Take it out of there with "
        "REVOKE in psql, then run this again"
    )


@contextmanager
def administering(url: str) -> Iterator[tuple[psycopg.Connection[Any], Roles]]:
    """A transaction that nobody else administers beside, and the store's roles."""
    where = shown(url)
    with told(where), psycopg.connect(make_conninfo(**parameters(url))) as connection:
        # Warnings that a right was not there to revoke; what is left is looked at.
        connection.execute("SET client_min_messages = error")
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{_LOCK_SECONDS}s",))
        try:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        except psycopg.errors.LockNotAvailable:
            raise StoreUnreachable(
                f"{where}: somebody else has been administering this store for {_LOCK_SECONDS} s; try again. Who it is "
                "stands in pg_locks, as the holder of an advisory lock"
            ) from None
        connection.execute("RESET lock_timeout")
        database = connection.info.dbname
        if len(database.encode()) > _LONGEST_NAME:
            raise StoreError(
                f"{where}: the database's name is longer than {_LONGEST_NAME} bytes; roles are named after it"
            )
        yield connection, Roles(f"{database}_owner", f"{database}_reviewer", f"{database}_supervisor")


@contextmanager
def as_owner(connection: psycopg.Connection[Any], roles: Roles) -> Iterator[None]:
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(roles.owner)))
    yield
    connection.execute("RESET ROLE")


def _role_exists(connection: psycopg.Connection[Any], role: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None


def _make_roles(connection: psycopg.Connection[Any], roles: Roles) -> None:
    for role in (roles.owner, roles.reviewer, roles.supervisor):
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND rolcanlogin", (role,)).fetchone():
            raise StoreError(
                f"'{role}' is to be a group's name here, and somebody can log in by it, who would have the rights of "
                "the group. Rename that role, or take its login away (ALTER ROLE … NOLOGIN)"
            )
        if not _role_exists(connection, role):
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    owner, reviewer, supervisor = map(sql.Identifier, (roles.owner, roles.reviewer, roles.supervisor))
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
    connection.execute(sql.SQL("GRANT {} TO {}").format(reviewer, supervisor))
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS earmark AUTHORIZATION {}").format(owner))


def _shut_the_database(connection: psycopg.Connection[Any], roles: Roles, where: str) -> None:
    """Leave to whoever logs in the way to the functions: no temporary tables, nothing to create anywhere."""
    database = sql.Identifier(connection.info.dbname)
    reviewer = sql.Identifier(roles.reviewer)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, reviewer))
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    # Large objects are a way to fill the disk. Only a superuser can take them away; a rented database may have none.
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute(
            """REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(integer), pg_catalog.lo_create(oid),
                   pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC"""
        )
    with as_owner(connection, roles):
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA earmark TO {}").format(reviewer))
    row = connection.execute(
        """SELECT has_database_privilege(%(role)s, current_database(), 'TEMP')
               OR has_schema_privilege(%(role)s, 'public', 'CREATE')""",
        {"role": roles.reviewer},
    ).fetchone()
    if row is None or row[0]:
        raise StoreError(
            f"{where}: reviewers could still create tables or functions here, because you do not own the database; "
            "run 'earmark store init' as its owner"
        )


def _version(connection: psycopg.Connection[Any]) -> int | None:
    """The schema's version; 0 where it is empty, None where there is none."""
    row = connection.execute(
        "SELECT to_regnamespace('earmark') IS NOT NULL, to_regclass('earmark.migration') IS NOT NULL"
    ).fetchone()
    if row is None or not row[0]:
        return None
    if not row[1]:
        return 0
    found = connection.execute("SELECT coalesce(max(version), 0) FROM earmark.migration").fetchone()
    return int(found[0]) if found else 0


def _migrate(connection: psycopg.Connection[Any], roles: Roles, where: str) -> Made:
    before = _version(connection) or 0
    known = known_version()
    if before > known:
        check_version(before, where)
    connection.execute("SET LOCAL search_path = earmark, pg_temp")
    connection.execute(
        """CREATE TABLE IF NOT EXISTS migration (
               version integer PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT now()
           )"""
    )
    for path in sorted(SCHEMA.glob("[0-9]*.sql")):
        version = int(path.name[:4])
        if version > before:
            connection.execute(_for_roles(connection, path.read_text("utf-8"), roles).encode())
            connection.execute("INSERT INTO migration (version, name) VALUES (%s, %s)", (version, path.stem))
    # The functions as they are now, in any order: one that calls another is not looked into before all are there.
    connection.execute("SET LOCAL check_function_bodies = off")
    for path in sorted((SCHEMA / "functions").glob("*.sql")):
        connection.execute(_for_roles(connection, path.read_text("utf-8"), roles).encode())
    # What they add is nobody's until it is granted.
    connection.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA earmark FROM PUBLIC")
    return Made(before, known, roles)


def _for_roles(connection: psycopg.Connection[Any], text: str, roles: Roles) -> str:
    """A migration's text with the group roles' names in it, as psql's variables would have them."""
    for name in ("reviewer", "supervisor"):
        role: str = getattr(roles, name)
        text = text.replace(f':"{name}"', sql.Identifier(role).as_string(connection))
        text = text.replace(f":'{name}'", sql.Literal(role).as_string(connection))
    return text


def _fill(connection: psycopg.Connection[Any], audio: str, master: bytes, given: Mapping[str, bytes] | None) -> None:
    """A new store's own id and secrets, or those of the store that is copied here, and its policy."""
    fresh = {name: os.urandom(_KEY_BYTES) for name in (PSEUDONYM_KEY, CLIP_ID_KEY, SEAL_KEY)}
    keys = {"store": secrets.token_bytes(_ID_BYTES), **fresh, **(given or {})}
    values = {name: key if name == "store" else seal(master, key, name.encode()) for name, key in keys.items()}
    values["master"] = check_of(master)
    values[f"public {SEAL_KEY}"] = public_key_of(keys[SEAL_KEY])
    if given is not None:
        values[COPYING] = b""
    for name, value in values.items():
        connection.execute("INSERT INTO earmark.meta (name, value) VALUES (%s, %s)", (name, value))
    connection.execute("INSERT INTO earmark.policy (audio) VALUES (%s)", (audio,))


def _begin_log(url: str) -> None:
    """Begin the log of a store that is here for good: one that never came to be must leave none, or the next would find
    another store's. If this is not reached, nobody is given a clip until it is begun.
    """
    with administering(url) as (connection, roles):
        _start_log(connection, roles, True)


def _start_log(connection: psycopg.Connection[Any], roles: Roles, begin: bool) -> None:
    """See to it that the log of withdrawals can lie beside the audio, and begin it there, unless it has begun. Raises
    `StoreError`.
    """
    from earmark.queue.store.withdrawal_log import open_log

    with as_owner(connection, roles):
        row = connection.execute(
            """SELECT audio, (SELECT encode(value, 'hex') FROM earmark.meta WHERE name = 'store'),
                   EXISTS (SELECT FROM earmark.withdrawal WHERE outside)
               FROM earmark.policy"""
        ).fetchone()
    if row is None:
        raise StoreError("the store was never finished; run 'earmark store init' again")
    audio, store, begun = row
    if begun:
        # A log that has begun and is not here is looked for, not begun anew.
        return
    try:
        log = open_log(audio, store)
        if begin:
            log.start()
        elif not log.is_here():
            log.try_out()
    except OSError as error:
        done = "the store is here, but nobody is given a clip before the log is begun" if begin else "nothing was done"
        raise StoreError(
            f"the log of withdrawals cannot be kept beside the audio at {audio}: {error.strerror}; {done}. "
            "Run this where the audio can be reached"
        ) from None
