"""Who was leased, and decided, what, when and over which way in: read, verified, and held against earlier heads.

Each login's entries form a chain of SHA-256. No key is in it: whoever can rewrite the whole database can also make
chains that hold. What they cannot do is make them end, or pass, where a head said that was exported before and is kept
elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from earmark.queue.store.interface import StoreError
from earmark.queue.store.outliers import Count, Outlier, outliers
from earmark.queue.store.postgres_database import Database

_PAGE = 500


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """An entry: its number in its login's chain, Unix seconds, the login, the reviewer, what was done (`lease`, `push`,
    `load`, …), the way in, for a push its device, lines and the journal's chain after them, and the clips concerned.
    """

    number: int
    at: float
    role: str
    reviewer: str | None
    what: str
    via: str
    device: str | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    journal: str | None = None
    clips: tuple[str, ...] | None = None


class Decided(msgspec.Struct, frozen=True):
    """A decision that a push brought: the share that was heard is the reviewer's machine's word (0 to 1)."""

    seq: int
    clip: str
    verdict: str
    at: str
    heard: float


class Head(msgspec.Struct, frozen=True):
    """Where a login's chain ends: the number of its last entry, and that entry's hash."""

    number: int
    chain: str


class Heads(msgspec.Struct, frozen=True):
    """The heads of all logins of a store, as they are exported."""

    store: str
    heads: dict[str, Head]


class Verified(msgspec.Struct, frozen=True):
    """One login's chain: how many entries hold, what is wrong, and what is to be explained but may be in order."""

    role: str
    entries: int
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def entries(
    database: Database, *, reviewer: str | None = None, clip: str | None = None, since: float | None = None
) -> Iterator[tuple[Entry, tuple[Decided, ...]]]:
    """Entries in order, each with the decisions that it brought: all, or of a reviewer, about a clip, since a time."""
    after = 0
    while True:
        rows = database.rows(
            "SELECT entry, told FROM earmark.audit_page(%s, %s, %s, %s, %s)", (after, reviewer, since, clip, _PAGE)
        )
        for number, told in rows:
            after = number
            entry = msgspec.json.decode(told, type=Entry)
            yield entry, tuple(one for one in _decided(database, entry) if clip in (None, one.clip))
        if len(rows) < _PAGE:
            return


def _decided(database: Database, entry: Entry) -> Iterator[Decided]:
    if entry.what == "push":
        for row in database.rows(
            "SELECT seq, clip, verdict, at, heard FROM earmark.audit_decisions(%s, %s, %s)",
            (entry.device, entry.first_seq, entry.last_seq),
        ):
            yield Decided(*row)


def heads(database: Database) -> Heads:
    """Where all chains end now."""
    rows = database.rows("SELECT role, number, chain FROM earmark.audit_heads()")
    return Heads(database.known.store, {role: Head(number, chain) for role, number, chain in rows})


def read_heads(path: Path) -> Heads:
    """Heads as they were exported. Raises `StoreError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Heads)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    except msgspec.DecodeError:
        raise StoreError(f"{path}: these are no heads that 'earmark store audit --heads' exported") from None


def verify(database: Database, earlier: Heads | None = None) -> Iterator[Verified]:
    """Every login's chain against its head, its lines, and `earlier` heads. Raises `StoreError` for another store's."""
    if earlier is not None and earlier.store != database.known.store:
        raise StoreError(f"the exported heads are those of another store ({earlier.store})")
    kept = {} if earlier is None else earlier.heads
    # First the heads, then the chains: what is added meanwhile lies behind the heads.
    now = heads(database).heads
    there = [role for (role,) in database.rows("SELECT * FROM earmark.audit_roles()")]
    for role in sorted({*there, *kept}):
        yield _verified(database, role, now.get(role), kept.get(role))


def _verified(database: Database, role: str, head: Head | None, earlier: Head | None) -> Verified:
    faults: list[str] = []
    wanted = {one.number: (one.chain, words) for one, words in ((earlier, "that was exported"), (head, "")) if one}
    if head is not None and earlier is not None and head.number == earlier.number and head != earlier:
        faults.append(f"entry {head.number} is not the one that was exported")
    number, chain = 0, ""
    while not faults:
        rows = database.rows("SELECT number, told, chain FROM earmark.audit_chain(%s, %s, %s)", (role, number, _PAGE))
        for at, told, link in rows:
            if at != number + 1:
                faults.append(_removed(number + 1, at - 1))
            elif hashlib.sha256((chain + told).encode()).hexdigest() != link:
                faults.append(f"entry {at} was changed, or the one before it")
            elif wanted.get(at, (link, ""))[0] != link:
                faults.append(f"entry {at} is not the one {wanted[at][1] or 'at which the chain ended'}")
            if faults:
                break
            number, chain = at, link
        if len(rows) < _PAGE:
            break
    if not faults and head is not None and number < head.number:
        faults.append(_removed(number + 1, head.number))
    if not faults and earlier is not None and number < earlier.number:
        faults.append(
            f"entries {number + 1} to {earlier.number} were there when the heads were exported, and are gone: they "
            "were removed, or the database was brought back from an older copy"
        )
    if head is None and not faults:
        faults.append("its head is gone")
    notes: list[str] = []
    for device, seq, what, reissued in database.rows(
        "SELECT device, seq, what, reissued FROM earmark.audit_amiss(%s)", (role,)
    ):
        if what == "changed":
            faults.append(f"line {seq} of device {device} was changed, or the one before it")
        elif reissued:
            notes.append(
                f"device {device}: lines after {seq} are not here; they may have come from the device before it"
            )
        else:
            faults.append(f"device {device}: lines after {seq} were removed")
    return Verified(role, number, tuple(faults), tuple(notes))


def _removed(first: int, last: int) -> str:
    return f"entry {first} was removed" if first == last else f"entries {first} to {last} were removed"


def standing_out(database: Database) -> list[Outlier]:
    """Whose share of critical, skipped and too fast decisions stands out: too fast is to have had a clip on the screen
    for less than half its length before saying what was spoken in it.
    """
    kinds: dict[str, dict[str, Count]] = {"critical": {}, "skipped": {}, "too fast": {}}
    for (reviewer,) in database.rows("SELECT * FROM earmark.audit_reviewers()"):
        decisions, critical, skipped, heard, fast = database.row(
            "SELECT decisions, critical, skipped, heard, fast FROM earmark.shares(%s)", (reviewer,)
        )
        kinds["critical"][reviewer] = Count(critical, decisions)
        kinds["skipped"][reviewer] = Count(skipped, decisions)
        kinds["too fast"][reviewer] = Count(fast, heard)
    return list(outliers(kinds))
