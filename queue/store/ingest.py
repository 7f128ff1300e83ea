"""Journal lines into an SQLite store: cursor, chain, quarantine, and what each line does to its clip.

The order of the journal is kept: whether a line is taken, set aside or ignored, the cursor passes it, once. The cursor
with the chain at it is also what tells a journal that went another way under the same numbers (a fork).
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence

import msgspec

from earmark.queue.decision import Verdict
from earmark.queue.journal.line import BadLine, Entry, Kind, Parts, Reason, chain_of, check_payload, decode, erased
from earmark.queue.journal.sealing import opened
from earmark.queue.store import sqlite_standing
from earmark.queue.store.frames import parted
from earmark.queue.store.interface import Head, Pushed, Quarantined, Refused, StoreError
from earmark.queue.store.sqlite_erase import erase_payloads
from earmark.queue.store.standing import Standing

_NULL = b"null"


class Terms(msgspec.Struct, frozen=True):
    """What a push goes by: the store's time (Unix seconds), how long a lease lasts and a critical clip is held (s), and
    the private key to which payloads may be sealed.
    """

    now: float
    lease_seconds: float
    critical_hold: float
    seal_key: bytes


def head(connection: sqlite3.Connection, device: str) -> Head:
    """How far the device's journal has arrived."""
    row = connection.execute("SELECT last_seq, last_chain FROM device WHERE id = ?", (device,)).fetchone()
    return Head() if row is None else Head(*row)


def push(
    connection: sqlite3.Connection, device: str, reviewer: str, lines: Sequence[bytes], terms: Terms
) -> tuple[Pushed, bool]:
    """As `ReviewStore.push`, in a write transaction. Also says whether any payload was erased."""
    known = connection.execute("SELECT reviewer FROM device WHERE id = ?", (device,)).fetchone()
    if known is not None and known[0] != reviewer:
        raise Refused(f"the journal of device {device} belongs to another reviewer")
    at = head(connection, device)
    if not lines:
        return Pushed(at), False
    parts = parted(lines)
    entries = [_decoded(line, part.envelope) for line, part in zip(lines, parts, strict=True)]
    first = _first_seq(entries, at.seq + 1)
    if first > at.seq + 1:
        return Pushed(at), False
    old = min(at.seq + 1 - first, len(lines))
    follows = old > 0 or chain_of(at.chain, parts[0].envelope) == parts[0].chain
    if at.seq and not (follows and _overlaps(connection, device, first, parts[:old], at)):
        connection.execute("UPDATE device SET forked_at = coalesce(forked_at, ?) WHERE id = ?", (terms.now, device))
        return Pushed(at, fork=True), False

    connection.execute("INSERT INTO device (id, reviewer) VALUES (?, ?) ON CONFLICT DO NOTHING", (device, reviewer))
    before = _set_aside(connection, device, first, old) if old else []
    intake = _Intake(connection, device, reviewer, terms)
    chain = at.chain
    for seq, part, entry in list(zip(range(first, first + len(lines)), parts, entries, strict=True))[old:]:
        if chain_of(chain, part.envelope) != part.chain:
            raise StoreError(f"journal line {seq} does not follow from the one before; run 'earmark journal verify'")
        chain = part.chain
        intake.take(seq, part, entry)
    at = Head(max(at.seq, first + len(lines) - 1), chain)
    connection.execute("UPDATE device SET last_seq = ?, last_chain = ? WHERE id = ?", (at.seq, at.chain, device))
    return Pushed(at, (*before, *intake.quarantined)), intake.erased


def _set_aside(connection: sqlite3.Connection, device: str, first: int, count: int) -> list[Quarantined]:
    """Which of so many lines that have arrived before were set aside: that answer may have been lost."""
    rows = connection.execute(
        "SELECT seq, reason FROM quarantine WHERE device = ? AND seq BETWEEN ? AND ? ORDER BY seq",
        (device, first, first + count - 1),
    )
    return [Quarantined(seq, reason) for seq, reason in rows]


def _decoded(line: bytes, envelope: bytes) -> Entry | BadLine:
    """The line's fields, or why it has none. A payload that is no good is not looked at: a mark goes in without it."""
    try:
        envelope.decode()  # what no field of ours holds is kept as well, and as text
        entry = decode(erased(line))
    except BadLine as reason:
        return reason
    except (UnicodeDecodeError, RecursionError):
        return BadLine("not valid JSON")
    try:
        # In one spelling: what is the same to one store must not be two things to another.
        return msgspec.structs.replace(entry, id=str(uuid.UUID(entry.id)))
    except ValueError:
        return BadLine("its id is not a UUID")


def _first_seq(entries: Sequence[Entry | BadLine], otherwise: int) -> int:
    for place, entry in enumerate(entries):
        if isinstance(entry, Entry):
            if entry.seq <= place:
                raise StoreError("the journal lines of a push are not numbered; run 'earmark journal verify'")
            return entry.seq - place
    return otherwise


def _overlaps(connection: sqlite3.Connection, device: str, first: int, old: Sequence[Parts], at: Head) -> bool:
    """Whether lines that have arrived before are those that arrived: one chain value speaks for all before it."""
    if not old:
        return True
    seq = first + len(old) - 1
    if seq == at.seq:
        return old[-1].chain == at.chain
    row = connection.execute("SELECT chain FROM line WHERE device = ? AND seq = ?", (device, seq)).fetchone()
    # A line that was set aside left no chain; the cursor's own will be compared before anything is taken.
    return row is None or bool(row[0] == old[-1].chain)


class _Intake:
    """Takes lines that follow the cursor, one by one."""

    def __init__(self, connection: sqlite3.Connection, device: str, reviewer: str, terms: Terms) -> None:
        self._connection = connection
        self._device = device
        self._reviewer = reviewer
        self._terms = terms
        self._opinions = sqlite_standing.wanted(connection)
        self.quarantined: list[Quarantined] = []
        self.erased = False

    def take(self, seq: int, parts: Parts, entry: Entry | BadLine) -> None:
        parts, reason = self._checked(seq, parts, entry)
        clip = None if isinstance(entry, BadLine) else entry.clip
        state = None
        if reason is None and clip is not None:
            row = self._connection.execute("SELECT state FROM clip WHERE id = ?", (clip,)).fetchone()
            state, reason = (None, "the store has no such clip") if row is None else (row[0], None)
        if reason is not None:
            # An unknown clip's id may be anything, a text too.
            self._connection.execute(
                "INSERT INTO quarantine (device, seq, clip, reason) VALUES (?, ?, ?, ?)",
                (self._device, seq, clip if state is not None else None, reason),
            )
            self.quarantined.append(Quarantined(seq, reason))
        elif isinstance(entry, Entry) and self._insert(seq, parts, entry, state) and state != "withdrawn":
            self._effects(entry, state)

    def _checked(self, seq: int, parts: Parts, entry: Entry | BadLine) -> tuple[Parts, str | None]:
        """The line with its seal opened, and why it is set aside (None for a sound one)."""
        if isinstance(entry, BadLine):
            return parts, str(entry)
        if entry.seq != seq:
            return parts, f"its number is {entry.seq}, its place {seq}"
        if entry.device != self._device:
            return parts, "it is another device's"
        if entry.reviewer != self._reviewer:
            return parts, "it is another reviewer's"
        if entry.verdict is Verdict.CRITICAL:
            return parts, None  # nothing may hold a critical mark back, and its payload is not taken anyway
        try:
            parts = opened(parts, self._terms.seal_key)
            check_payload(parts)
            parts.payload.decode()
        except BadLine as reason:
            return parts, str(reason)
        except (UnicodeDecodeError, RecursionError):
            return parts, "the payload is not one of ours"
        return parts, None

    def _insert(self, seq: int, parts: Parts, entry: Entry, state: str | None) -> bool:
        """Keep the line; False when this decision came before from another device (a journal issued again)."""
        # Text on a critical clip may hold what made it critical.
        wanted = entry.kind is Kind.DECISION and entry.verdict is not Verdict.CRITICAL
        wanted = wanted and parts.payload != _NULL and state not in ("withdrawn", "critical")
        inserted = self._connection.execute(
            """INSERT INTO line (device, seq, id, reviewer, clip, verdict, chain, envelope, payload)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING""",
            (
                self._device,
                seq,
                entry.id,
                self._reviewer,
                entry.clip,
                entry.verdict,
                parts.chain,
                parts.envelope.decode(),
                parts.payload.decode() if wanted else None,
            ),
        )
        return inserted.rowcount == 1

    def _effects(self, entry: Entry, state: str | None) -> None:
        if entry.kind is Kind.ERASURE and entry.reason is not Reason.RETENTION:
            # Retention rids one machine of what has arrived here; it is no reason to lose it here as well.
            self._erase(entry.clip, self._device)
        elif entry.verdict is Verdict.CRITICAL:
            self._erase(entry.clip)
            self._connection.execute(
                "UPDATE clip_key SET destroy_after = coalesce(destroy_after, ?) WHERE clip = ?",
                (self._terms.now + self._terms.critical_hold, entry.clip),
            )
            self._connection.execute(
                "UPDATE clip SET owner = NULL, lease = NULL, lease_until = NULL WHERE id = ?", (entry.clip,)
            )
        elif entry.verdict is Verdict.SKIPPED:
            self._connection.execute(
                "UPDATE clip SET owner = NULL, lease = NULL, lease_until = NULL WHERE id = ? AND owner = ?",
                (entry.clip, self._reviewer),
            )
        if entry.kind is not Kind.DRAFT:
            self._settle(entry, state)

    def _erase(self, clip: str, device: str | None = None) -> None:
        if erase_payloads(self._connection, clip, device):
            self.erased = True

    def _settle(self, entry: Entry, state: str | None) -> None:
        """Bring the clip to where its decisions leave it."""
        clip = entry.clip
        stands = sqlite_standing.stands(self._connection, clip, self._opinions)
        if state == "critical" and stands is not Standing.CRITICAL:
            called_off = self._connection.execute("UPDATE clip_key SET destroy_after = NULL WHERE clip = ?", (clip,))
            if not called_off.rowcount:
                return  # the key is destroyed: nobody can review it any more
        if stands is Standing.OPEN and entry.verdict is Verdict.RETRACTED:
            # Theirs again, unless somebody is at it who has not decided it.
            self._connection.execute(
                f"""UPDATE clip SET owner = :reviewer, lease = coalesce(:lease, lease, :entry),
                       lease_until = max(:until, CASE owner WHEN :reviewer THEN lease_until ELSE 0 END)
                   WHERE id = :clip AND (
                       owner IS NULL OR owner = :reviewer OR lease_until <= :now OR {sqlite_standing.OWNER_OPINED}
                   )""",  # noqa: S608 - constants
                {
                    "reviewer": self._reviewer,
                    "lease": entry.lease,
                    "entry": entry.id,
                    "until": self._terms.now + self._terms.lease_seconds,
                    "clip": clip,
                    "now": self._terms.now,
                },
            )
        sqlite_standing.put(self._connection, clip, stands)
