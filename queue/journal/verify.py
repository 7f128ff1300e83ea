"""Verify a journal's folder and say exactly what is wrong where. Reads only, takes no lock, minds no running writer.

What it cannot see: lines missing at the very end, and a whole journal that somebody rewrote from some line on. The
store, which knows how far the journal had arrived, tells both.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from earmark.queue import files
from earmark.queue.journal.errors import JournalError, reason_of
from earmark.queue.journal.line import BadLine, Entry, Kind, chain_of, check_payload, decode, split
from earmark.queue.journal.segments import lines_of, segment_paths
from earmark.queue.store.interface import Head

_SETTLE = 0.1
"""Seconds in which a writer that is at work finishes its line."""


class Fault(msgspec.Struct, frozen=True):
    """Something wrong: in which file, at which line (from 1), under which number (None for unreadable), and what."""

    file: str
    line: int
    seq: int | None
    what: str

    def __str__(self) -> str:
        number = "" if self.seq is None else f" (number {self.seq})"
        return f"{self.file}, line {self.line}{number}: {self.what}"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal holds. `erased` counts the payloads that are gone; `head` is the last line that could be read."""

    segments: int
    lines: int
    decisions: int
    drafts: int
    erasures: int
    erased: int
    device: str | None
    head: Head
    faults: tuple[Fault, ...]


def verify(folder: Path) -> Report:
    """Check every byte of every line, the numbers, and that payloads went only where an erasure says so.

    Raises `JournalError` when there is no journal, or it cannot be read.
    """
    try:
        checker = _Checker()
        done = 0
        newest = False
        while not newest:
            paths = segment_paths(folder)
            if not paths:
                raise JournalError(f"there is no journal in {folder}")
            path = paths[done]
            data = files.read(path)
            # Asked again after reading: a segment that a writer has followed with another may have grown before that.
            newest = path == segment_paths(folder)[-1]
            if path == paths[-1] and not newest:
                continue
            done += 1
            checker.segment(path.name, data)
            tail = data[data.rfind(b"\n") + 1 :]
            if tail and not (newest and _growing(path, data)):
                checker.fault("the line is cut off: its line feed is missing")
    except OSError as error:
        raise JournalError(f"the journal in {folder} cannot be read: {reason_of(error)}") from error
    return checker.report(done)


def _growing(path: Path, data: bytes) -> bool:
    time.sleep(_SETTLE)
    return files.read(path) != data


class _Checker:
    """Goes over the lines in order and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.counts = dict.fromkeys(Kind, 0)
        self.erased = 0
        self.device: str | None = None
        self.head = Head()
        self._chain: str | None = ""  # of the line before; None when it could not be read
        self._unexplained: dict[str, list[Fault]] = {}  # payloads gone, until an erasure of the clip comes along
        self._file = ""
        self._line = 0

    def fault(self, what: str, seq: int | None = None) -> None:
        self.faults.append(Fault(self._file, self._line, seq, what))

    def segment(self, name: str, data: bytes) -> None:
        """Check a segment; afterwards this stands at the line behind the last whole one."""
        self._file = name
        self._line = 1
        for line in lines_of(data):
            self._check(line)
            self._line += 1

    def _check(self, line: bytes) -> None:
        try:
            parts = split(line)
            entry = decode(line)
        except BadLine as bad:
            self.fault(str(bad))
            self._chain = None
            self.head = Head(self.head.seq + 1, "")
            return
        if self._chain is not None and chain_of(self._chain, parts.envelope) != parts.chain:
            self.fault("the chain is broken: this line or the one before it has been changed", entry.seq)
        try:
            check_payload(parts)
        except BadLine as bad:
            self.fault(str(bad), entry.seq)
        self._number(entry)
        if self.device not in (None, entry.device):
            self.fault("it was written by another device", entry.seq)
        self.device = entry.device
        self._chain = parts.chain
        self.head = Head(entry.seq, parts.chain)
        self.counts[entry.kind] += 1
        self._payload(entry)

    def _number(self, entry: Entry) -> None:
        due = self.head.seq + 1
        if entry.seq > due:
            missing = f"line {due} is" if entry.seq == due + 1 else f"lines {due} to {entry.seq - 1} are"
            self.fault(f"{missing} missing before it", entry.seq)
        elif entry.seq < due:
            self.fault(f"its number should be {due}: a line stands here twice, or in the wrong place", entry.seq)

    def _payload(self, entry: Entry) -> None:
        if entry.kind is Kind.ERASURE:
            self._unexplained.pop(entry.clip, None)
        elif entry.erased:
            self.erased += 1
            gone = Fault(self._file, self._line, entry.seq, "its payload is gone, and no later line erases it")
            self._unexplained.setdefault(entry.clip, []).append(gone)

    def report(self, segments: int) -> Report:
        gone = [fault for faults in self._unexplained.values() for fault in faults]
        return Report(
            segments=segments,
            lines=sum(self.counts.values()),
            decisions=self.counts[Kind.DECISION],
            drafts=self.counts[Kind.DRAFT],
            erasures=self.counts[Kind.ERASURE],
            erased=self.erased,
            device=self.device,
            head=self.head,
            faults=tuple(sorted([*self.faults, *gone], key=lambda fault: (int(Path(fault.file).stem), fault.line))),
        )
