"""The journal: the durable, append-only file of one reviewer's decisions for one store.

A folder (0700) of segments `000001.jsonl`, … (0600), of which only the newest grows, a `lock`, and the `device` id
under which the lines are sent. `line` has the format of a line. `append` returns when the line is on the disk,
and not before. Lines are never taken out; payloads are, by `erase`.

All methods may be called from any thread; they take turns, and may wait for the disk. `head` waits for nothing.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from earmark.queue import files
from earmark.queue.decision import Decision, Draft, Verdict
from earmark.queue.journal import erasing, fork
from earmark.queue.journal.erasing import Held, Remains, SetAside
from earmark.queue.journal.errors import EntryRefused, JournalError, NotSaved, reason_of
from earmark.queue.journal.fit import Unfit
from earmark.queue.journal.line import Erasure, Kind, Reason, chain_in, decode, encode, erased
from earmark.queue.journal.lock import take_lock
from earmark.queue.journal.readable import ReadableJournal
from earmark.queue.journal.sealing import PayloadSeal
from earmark.queue.journal.segments import Index, Segment, load, segment_path
from earmark.queue.stamp import new_id, told_time
from earmark.queue.store.interface import Head, Quarantined

KINDS = {Decision: Kind.DECISION, Draft: Kind.DRAFT, Erasure: Kind.ERASURE}


def utc_today() -> date:
    return datetime.now(UTC).date()


class Journal(ReadableJournal):
    """An open journal of `reviewer`.

    `device` is the id under which lines are sent; `recovered` says in words what the opening mended, "" for nothing.
    """

    def __init__(
        self, folder: Path, reviewer: str, app: str, most: int, today: Callable[[], date], seal: PayloadSeal | None
    ) -> None:
        """Use `Journal.open`."""
        self.folder = folder
        self.reviewer = reviewer
        self.device = ""
        self.recovered = ""
        self._encode = partial(encode, app=app, seal=None if seal is None else seal.seal)
        self._segment_bytes = most
        self._today = today
        self._seal = seal
        self._turn = threading.RLock()
        self._lock: int | None = None
        self._fd: int | None = None
        self._segments: list[Segment] = []
        self._head = Head()
        self._day = ""
        self._index = Index()
        self._held = Held()
        self._unsaid: set[str] = set()  # clips marked critical, what stood before the mark not erased yet
        self._trouble: str | None = "the journal is closed"

    @classmethod
    def open(
        cls,
        folder: Path,
        reviewer: str,
        *,
        app: str,
        segment_bytes: int = 16 << 20,
        today: Callable[[], date] = utc_today,
        seal: PayloadSeal | None = None,
    ) -> Journal:
        """Open the journal in `folder`, made when it is not there, and mend what was cut off.

        `app` is this program's version, `segment_bytes` the size at which a new segment begins (one begins with each
        new `today` as well). With `seal` payloads are sealed, and those sealed before under its key can be read.
        Raises `JournalBusy` when another process has it open, `JournalCorrupt`, or `JournalError`.
        """
        journal = cls(folder, reviewer, app, segment_bytes, today, seal)
        try:
            files.make_folder(folder)
            journal._lock = take_lock(folder)
            journal._load()
        except OSError as error:
            journal.close()
            raise JournalError(f"the journal in {folder} cannot be opened: {reason_of(error)}") from error
        except BaseException:
            journal.close()
            raise
        return journal

    def reopen(self) -> None:
        """Open again after a failure: read back what really is on the disk, and mend it. Raises as `open` does."""
        with self._turn:
            if self._lock is None:
                raise JournalError("the journal is closed")
            self._stop("the journal could not be opened again")
            try:
                self._load()
            except OSError as error:
                self._stop(reason_of(error))
                raise JournalError(f"the journal in {self.folder} cannot be opened: {reason_of(error)}") from error
            except JournalError as error:
                self._stop(str(error))
                raise

    def close(self) -> None:
        """Let go of the files and the lock. Closing twice does nothing."""
        with self._turn:
            self._stop("the journal is closed")
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def head(self) -> Head:
        """Number and chain of the last line that is on the disk."""
        return self._head

    @property
    def stopped(self) -> bool:
        """Whether nothing can be written, be it for a failure (`reopen` mends that) or since it is closed."""
        return self._trouble is not None

    # -- writing -----------------------------------------------------------------------------------------------------

    def append(self, entry: Decision | Draft) -> Head:
        """Write one line; when this returns its number and chain, it is on the disk.

        Raises `EntryRefused` for an entry that cannot be written as it is (another reviewer's, a text with a NUL, with
        half a surrogate pair, or above 100 kB). Raises `NotSaved` when the disk refuses: what was written is cut off
        again, and everything else is refused until `reopen`.

        After a critical mark, call `erase` for its clip before anything else is appended for that clip; when that is
        missed, the next entry on that clip or the next opening does it.
        """
        with self._turn:
            if entry.reviewer != self.reviewer:
                raise EntryRefused("not saved: this journal is another reviewer's")
            if entry.clip in self._unsaid:
                # What is said after the mark must stand behind the erasure, or a late erasure would take it along.
                self.erase(entry.clip, Reason.CRITICAL)
            head = self._append(entry)
            if isinstance(entry, Decision) and entry.verdict is Verdict.CRITICAL:
                self._unsaid.add(entry.clip)
            return head

    def erase(self, clip: str, reason: str) -> int:
        """Erase every payload of `clip`, its torn tails, and with them what is noted of lines that the store set aside;
        says how many lines lost theirs.

        `reason` is `critical`, `withdrawal` or `retention`. When there is nothing to erase, nothing is written. Once
        the erasure line is on the disk, an erasure that is cut off is finished by the next opening. Raises `NotSaved`.
        """
        with self._turn:
            try:
                maybe = clip in self._held or self._trouble is not None  # with a trouble nobody knows
                if not maybe and not erasing.in_scraps(self.folder, {clip}, unclear=True):
                    self._unsaid.discard(clip)
                    return 0
            except OSError as error:
                raise self._failed(error, "nothing was erased") from error
            at = self._append(self._erasure(clip, Reason(reason)))
            count = self._expunge({clip: at.seq}, {clip}, {clip}, self._held)
            self._unsaid.discard(clip)
            return count

    def retire(self, clips: Iterable[str]) -> int:
        """Erase every payload of clips that nobody needs here any more; says how many lines lost theirs. Cut off, it
        goes on as `erase` does. Raises `NotSaved`.
        """
        with self._turn:
            due, known, count = list(clips), self._head.seq, 0
            while due:
                count += self.retire_some(due, known)
            return count

    def retire_some(self, due: list[str], known: int) -> int:
        """`retire` the first few of `due`, and take them off that list: whoever waits for the journal meanwhile waits
        for a fraction of a second. A clip with a payload in a line above `known` keeps what it has.
        """
        with self._turn:
            few = self._held.few(due, self._segments)
            clips = [clip for clip in few if 0 < self._held.last(clip) <= known]
            count = self._expunge(self._order(clips), set(clips), set(), self._held) if clips else 0
            del due[: len(few)]
            return count

    def _order(self, clips: Sequence[str]) -> dict[str, int]:
        """Write the erasure lines of a retirement with one sync; says each one's number."""
        due: dict[str, int] = {}
        lines: list[bytes] = []
        head = self._head
        for clip in clips:
            line, head = self._line_after(head, self._erasure(clip, Reason.RETENTION))
            lines.append(line)
            due[clip] = head.seq
        try:
            self._room_for(sum(map(len, lines)))
            self._let_go()
            # Not appended: the pages of several lines reach the disk in any order, and after a power cut a line could
            # stand behind a hole. So all of them are there or none.
            newest = self._segments[-1]
            files.replace(newest.path, newest.read() + b"".join(lines))
            for line in lines:
                newest.add(len(line))
            self._head = head
        except OSError as error:
            raise self._failed(error, "nothing was erased") from error
        for clip, seq in due.items():
            self._index.note(clip, seq, Kind.ERASURE)
        return due

    def _erasure(self, clip: str, reason: Reason) -> Erasure:
        return Erasure(id=new_id(), at=told_time(), reviewer=self.reviewer, clip=clip, reason=reason)

    def _append(self, entry: Decision | Draft | Erasure) -> Head:
        line, head = self._line_after(self._head, entry)
        try:
            fd = self._room_for(len(line))
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, "short write")
            files.sync(fd)
            self._segments[-1].add(len(line))
            self._head = head
        except OSError as error:
            self._cut_back()
            raise self._failed(error, "not saved") from error
        except BaseException:  # ctrl+c, say: whatever has been written already must not stay uncounted
            self._cut_back()
            self._stop("the writing was interrupted")
            raise
        self._index.note(entry.clip, head.seq, KINDS[type(entry)])
        if erased(line) != line:
            self._held.note(entry.clip, head.seq)
        return head

    def _line_after(self, head: Head, entry: Decision | Draft | Erasure) -> tuple[bytes, Head]:
        if self._trouble is not None:
            raise NotSaved(f"not saved: {self._trouble}")
        seq, salt = head.seq + 1, os.urandom(16).hex()
        try:
            line = self._encode(entry, device=self.device, seq=seq, previous=head.chain, salt=salt)
        except Unfit as unfit:
            raise EntryRefused(f"not saved: {unfit}") from None
        return line, Head(seq, chain_in(line))

    def _room_for(self, length: int) -> int:
        """The open file of the newest segment; a new one begins where it is time."""
        if self._fd is None:
            raise NotSaved("not saved: the journal must be opened again")
        newest = self._segments[-1]
        today = self._today().isoformat()
        if newest.size and (self._day != today or newest.size + length > self._segment_bytes):
            self._begin(int(newest.path.stem) + 1)
        self._day = today
        return self._fd

    def _begin(self, number: int) -> None:
        path = segment_path(self.folder, number)
        fd = files.open_append(path)
        self._let_go()
        self._fd = fd
        self._segments.append(Segment(path, self._head.seq + 1))

    def _cut_back(self) -> None:
        # After a failed sync nobody knows what is on the disk, and a second sync would not tell. If this fails as well,
        # the next opening reads back what there is.
        if self._fd is not None:
            try:
                os.ftruncate(self._fd, self._segments[-1].size)
            except OSError:
                return

    def _failed(self, error: OSError, what: str) -> NotSaved:
        self._stop(reason_of(error))
        return NotSaved(f"{what}: {reason_of(error)}")

    def _stop(self, trouble: str) -> None:
        self._trouble = trouble
        self._let_go()

    def _let_go(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _expunge(self, due: dict[str, int], gone: set[str], unnoted: set[str], held: Held) -> int:
        self._let_go()  # the newest segment may be replaced
        try:
            # The scraps first: as long as a payload is left, the next opening knows that there is something to finish.
            erasing.clear_scraps(self.folder, gone, unnoted, unclear=bool(due))
            count = sum(erasing.expunge(segment, here) for segment, here in held.parted(due, self._segments))
            self._fd = files.open_append(self._segments[-1].path)
        except OSError as error:
            raise self._failed(error, "an erasure could not be finished; the next opening tries again") from error
        held.drop(due)
        return count

    # -- opening -----------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        recovered: list[str] = []
        if fork.finish(self.folder):
            recovered.append("the journal goes on under a new device id, with every line kept")
        for stray in self.folder.glob("*.tmp"):
            files.remove(stray)
        remains = Remains()
        loaded = load(self.folder, remains.see)
        if loaded.last and loaded.last.reviewer != self.reviewer:
            raise JournalError(f"the journal in {self.folder} is another reviewer's: {loaded.last.reviewer!r}")
        self._index = loaded.index
        self._segments = loaded.segments
        self._head = loaded.head
        self.device = self._settle_device(loaded.last.device if loaded.last else None)
        if self._segments:
            self._fd = files.open_append(self._segments[-1].path)
            # Lines whose writer was killed between write and sync are read here: they count from now on.
            files.sync(self._fd)
        else:
            self._begin(1)
        # An empty newest segment takes the first line, whatever the day.
        self._day = loaded.last.at[:10] if loaded.last else ""
        self._held = remains.held
        self._unsaid = set()
        self._trouble = None
        if remains.due or erasing.in_scraps(self.folder, remains.gone, unclear=False):
            for clip in sorted(remains.unsaid):
                remains.due[clip] = self._append(self._erasure(clip, Reason.CRITICAL)).seq
            self._expunge(remains.due, remains.gone, remains.unnoted, Held())
            self._held.drop(remains.unsaid)  # with what came after the mark
            recovered.append("an erasure was cut off, and has been finished")
        self.recovered = "; ".join([*recovered, *loaded.recovered])

    def _settle_device(self, written: str | None) -> str:
        """The id in the lines; before the first line the one in the file, or a new one."""
        path = self.folder / "device"
        noted = files.read(path).decode("ascii", "replace").strip() if path.exists() else ""
        device = written or noted or os.urandom(16).hex()
        if device != noted:
            files.replace(path, device.encode() + b"\n")
        return device

    def renew_device(self) -> None:
        """Go on under a new device id, with every line written anew: the store knows other lines under our numbers.

        Raises `JournalError`; the next opening finishes a change that was cut off once it was decided.
        """
        with self._turn:
            if self._trouble is not None:
                raise JournalError(f"the journal could not go on as another device: {self._trouble}")
            fork.drop(self.folder)
            try:
                fork.build(self.folder, os.urandom(16).hex())
            except OSError as error:
                fork.drop(self.folder)
                raise JournalError(f"the journal could not go on as another device: {reason_of(error)}") from error
            self.reopen()

    def set_aside(self, quarantined: Sequence[Quarantined]) -> None:
        """Note, durably, which lines the store would not take, and why. Raises `JournalError`."""
        with self._turn:
            named = [(one, decode(line)) for one in quarantined if (line := self._line(one.seq)) is not None]
            rows = [SetAside(one.seq, entry.id, entry.clip, one.reason) for one, entry in named]
            try:
                erasing.note_quarantine(self.folder, rows)
            except OSError as error:
                raise JournalError(f"what the store set aside could not be noted: {reason_of(error)}") from error
