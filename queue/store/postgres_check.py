"""Whether a store in PostgreSQL is sound as seen by this login, with this master key, from this machine."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import msgspec

from earmark.queue.store.audio_objects import open_objects
from earmark.queue.store.interface import StoreError
from earmark.queue.store.master import check_master, read_master
from earmark.queue.store.postgres_database import Database
from earmark.queue.store.postgres_withdrawals import Withdrawals


class Found(msgspec.Struct, frozen=True):
    """One thing that was looked at: what was found, and whether it is as it should be."""

    good: bool
    words: str


class Policy(msgspec.Struct, frozen=True):
    """What holds for everybody: seconds that a critical clip is held, the longest lease (s), and how many clips a
    reviewer is given anew a day (None: any number).
    """

    critical_hold: float
    longest_lease: float
    lease_cap: int | None


def check(url: str, master_key: str | None) -> Iterator[Found]:
    """Look at schema, login, master key and the audio's place. Raises `StoreError` when there is no way in."""
    database = Database(url)
    try:
        hello = database.known
        yield Found(True, f"store {hello.store}, schema {hello.version}")
        if hello.reviewer is None:
            yield Found(hello.supervisor, "this login reviews in nobody's name (earmark store add-reviewer)")
        else:
            yield Found(True, f"this login reviews as '{hello.reviewer}'")
        yield Found(True, f"it {'supervises' if hello.supervisor else 'does not supervise'}")
        yield _master(hello.master, master_key, database.where)
        yield _audio(hello.audio, writes=hello.supervisor)
        yield _withdrawals(database)
        if hello.supervisor:
            waiting = len(database.rows("SELECT * FROM earmark.to_remove()"))
            yield Found(waiting == 0, f"sealed audio whose key is destroyed and that is still to be removed: {waiting}")
    finally:
        database.close()


def policy(
    url: str, *, critical_hold: float | None = None, longest_lease: float | None = None, lease_cap: int | None = None
) -> Policy:
    """The store's policy, after setting what is given; a cap of 0 takes the cap away. Raises `StoreError`."""
    database = Database(url)
    try:
        return Policy(
            *database.row(
                "SELECT critical_hold, longest_lease, lease_cap FROM earmark.set_policy(%s, %s, %s)",
                (critical_hold, longest_lease, lease_cap),
            )
        )
    finally:
        database.close()


def _withdrawals(database: Database) -> Found:
    """Whether all that the log outside knows is in force here, and all that is in force is in the log."""
    try:
        Withdrawals(database).check()
        in_force, outside = database.row("SELECT in_force, outside FROM earmark.withdrawals()")
    except StoreError as error:
        return Found(False, str(error))
    if in_force > outside:
        return Found(
            False,
            f"withdrawals that are not yet written down outside the database: {in_force - outside}; run "
            "'earmark store replay'",
        )
    return Found(True, f"withdrawals in force and written down outside the database: {outside}")


def _master(check_value: str, setting: str | None, where: str) -> Found:
    if setting is None:
        return Found(True, "no master_key is set here: neither sound nor loading from this machine")
    try:
        check_master(read_master(setting), bytes.fromhex(check_value), where)
    except StoreError as error:
        return Found(False, str(error))
    return Found(True, "the master key is this store's")


def _audio(url: str, *, writes: bool) -> Found:
    """Whether the audio's place answers: a supervisor's login puts an object there and removes it."""
    name = secrets.token_hex(16)
    try:
        objects = open_objects(url)
        if writes:
            objects.put(name, b"")
            objects.remove([name])
        else:
            objects.read(name)
    except FileNotFoundError:
        pass  # it has none of that name
    except StoreError as error:
        return Found(False, str(error))
    except OSError as error:
        return Found(False, f"{url}: {error.strerror}")
    return Found(True, f"the audio's place answers: {url}")
