"""Erasing a clip's payloads: which should be gone, segments without them, and the scraps beside the segments."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from earmark.queue import files
from earmark.queue.decision import Verdict
from earmark.queue.journal.line import Kind, Reason, erased
from earmark.queue.journal.segments import Glance, Segment, lines_of, look

_QUARANTINE = "quarantine.jsonl"
_CLIP = re.compile(rb'"clip":("(?:[^"\\]|\\.)*")')


class SetAside(msgspec.Struct, frozen=True):
    """A line that the store has set aside: its number, the decision's id, the clip, and the store's reason."""

    seq: int
    id: str
    clip: str
    reason: str


class Remains:
    """Watches the lines go by, in order, for payloads that an erasure or a critical mark should have taken along.

    `due` gives for each such clip the number below which its payloads must go. `unsaid` are the clips for which no
    erasure line says so yet: the program ended between the critical mark and the erasure. `gone` are the clips of which
    nothing may remain in the scraps. `unnoted` are those in `due` of which no note may remain either that the store set
    a line aside: the retention rule alone leaves these, since they hold no text.
    """

    def __init__(self) -> None:
        self.due: dict[str, int] = {}
        self.unsaid: set[str] = set()
        self.gone: set[str] = set()
        self.unnoted: set[str] = set()
        self._live: set[str] = set()

    def see(self, line: Glance) -> None:
        clip = line.clip
        if line.kind is Kind.ERASURE or line.verdict is Verdict.CRITICAL:
            if clip in self._live:
                self._live.remove(clip)
                self.due[clip] = line.seq
                self.unsaid.add(clip)
                if line.reason is not Reason.RETENTION:
                    self.unnoted.add(clip)
            if line.kind is Kind.ERASURE:
                self.unsaid.discard(clip)
            self.gone.add(clip)
        elif _holds(line):
            self._live.add(clip)
            self.gone.discard(clip)


def without(data: bytes, due: Mapping[str, int]) -> tuple[bytes, int]:
    """The lines in `data`, each clip in `due` without payloads in lines below its number, and how many went."""
    marks = [msgspec.json.encode(clip) for clip in due]
    if not any(mark in data for mark in marks):
        return data, 0
    kept: list[bytes] = []
    count = 0
    for line in lines_of(data):
        if any(mark in line for mark in marks):
            seen = look(line)
            if seen.seq < due.get(seen.clip, 0) and _holds(seen):
                kept.append(erased(line))
                count += 1
                continue
        kept.append(line)
    return b"".join(kept), count


def expunge(segment: Segment, due: Mapping[str, int]) -> int:
    """Rewrite a segment without what is `due`, durably; says how many payloads went. Raises `OSError`."""
    data, count = without(segment.read(), due)
    if count:
        files.replace(segment.path, data)
        segment.measure(data)
    return count


def in_scraps(folder: Path, clips: Collection[str], *, unclear: bool) -> bool:
    """Whether torn tails hold anything of these clips, or, if `unclear`, of who knows which."""
    return any(_kept(data, clips, unclear) != data for path, data in _scraps(folder) if path.name != _QUARANTINE)


def clear_scraps(folder: Path, clips: Collection[str], noted: Collection[str], *, unclear: bool) -> None:
    """Take out of torn tails what `in_scraps` would find, and what is noted in the quarantine list of the clips in
    `noted`, durably. Raises `OSError`.
    """
    for path, data in _scraps(folder):
        kept = _kept(data, noted, False) if path.name == _QUARANTINE else _kept(data, clips, unclear)
        if kept == data:
            continue
        if kept:
            files.replace(path, kept)
        else:
            files.remove(path)


def quarantine(folder: Path) -> tuple[SetAside, ...]:
    """The lines that the store has set aside, as noted."""
    path = folder / _QUARANTINE
    if not path.exists():
        return ()
    return tuple(msgspec.json.decode(line, type=SetAside) for line in lines_of(files.read(path)))


def note_quarantine(folder: Path, rows: Collection[SetAside]) -> None:
    """Note lines that the store has set aside, durably; one noted before is not noted again. Raises `OSError`."""
    known = {row.id: row for row in (*quarantine(folder), *rows)}
    files.replace(folder / _QUARANTINE, b"".join(msgspec.json.encode(row) + b"\n" for row in known.values()))


def _holds(line: Glance) -> bool:
    return bytes(line.payload) != b"null"


def _scraps(folder: Path) -> list[tuple[Path, bytes]]:
    paths = [*sorted(folder.glob("*.torn")), folder / _QUARANTINE]
    return [(path, files.read(path)) for path in paths if path.exists()]


def _kept(data: bytes, clips: Collection[str], unclear: bool) -> bytes:
    return b"".join(line for line in lines_of(data) if not _belongs(line, clips, unclear))


def _belongs(scrap: bytes, clips: Collection[str], unclear: bool) -> bool:
    found = _CLIP.search(scrap)
    try:
        if found:
            return msgspec.json.decode(found[1], type=str) in clips
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return unclear
    # The clip stands before the payload: a plain beginning of a line that does not name one holds no text. With a gap
    # in it (pages that never reached the disk) it may hold text of any clip, and goes with the first that is erased.
    return unclear and (b"\0" in scrap or b'"payload"' in scrap)
