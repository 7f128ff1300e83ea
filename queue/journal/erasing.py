"""Erasing a clip's payloads: which should be gone, segments without them, and the scraps beside the segments."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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


FEW = 200
"""The most clips that a retirement erases in one go."""

FEW_SEGMENTS = 4
"""The most segments that it reads for them, as long as it is for more than one clip."""


class Held:
    """Of each clip that has payloads, the first and the last line with one: its erasure needs no other segments."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._last: dict[str, int] = {}  # where it is not the first

    def __contains__(self, clip: str) -> bool:
        return clip in self._first

    def note(self, clip: str, seq: int) -> None:
        """Line `seq`, behind all that were noted before, has a payload of this clip."""
        if clip in self._first:
            self._last[clip] = seq
        else:
            self._first[clip] = seq

    def last(self, clip: str) -> int:
        """The last line that has a payload of this clip; 0 for none."""
        return self._last.get(clip) or self._first.get(clip, 0)

    def drop(self, clips: Iterable[str]) -> None:
        """These have no payloads any more."""
        for clip in clips:
            self._first.pop(clip, None)
            self._last.pop(clip, None)

    def parted(self, due: Mapping[str, int], segments: Sequence[Segment]) -> Iterator[tuple[Segment, dict[str, int]]]:
        """Which of `due` (as in `Remains`) to look for in which segments. A clip of which nothing is noted may be
        anywhere below its number.
        """
        starts = [segment.first for segment in segments]
        parts: dict[int, dict[str, int]] = {}
        for clip, seq in due.items():
            for place in _between(starts, self._first.get(clip, 1), self.last(clip) or seq):
                parts.setdefault(place, {})[clip] = seq
        for place in sorted(parts):
            yield segments[place], parts[place]

    def few(self, clips: Sequence[str], segments: Sequence[Segment]) -> Sequence[str]:
        """The first of `clips`, as many as can be erased in a fraction of a second; one at least."""
        starts = [segment.first for segment in segments]
        places: set[int] = set()
        for count, clip in enumerate(clips):
            if clip in self:
                places.update(_between(starts, self._first[clip], self.last(clip)))
            if count == FEW or (count and len(places) > FEW_SEGMENTS):
                return clips[:count]
        return clips


class Remains:
    """Watches the lines go by, in order, for payloads that an erasure or a critical mark should have taken along.

    `due` gives for each such clip the number below which its payloads must go. `unsaid` are the clips for which no
    erasure line says so yet: the program ended between the critical mark and the erasure. `gone` are the clips of which
    nothing may remain in the scraps. `unnoted` are those in `due` of which no note may remain either that the store set
    a line aside: the retention rule alone leaves these, since they hold no text. `held` is where the payloads
    stand that are not due.
    """

    def __init__(self) -> None:
        self.due: dict[str, int] = {}
        self.unsaid: set[str] = set()
        self.gone: set[str] = set()
        self.unnoted: set[str] = set()
        self.held = Held()

    def see(self, line: Glance) -> None:
        clip = line.clip
        if line.kind is Kind.ERASURE or line.verdict is Verdict.CRITICAL:
            if clip in self.held:
                self.held.drop([clip])
                self.due[clip] = line.seq
                self.unsaid.add(clip)
                if line.reason is not Reason.RETENTION:
                    self.unnoted.add(clip)
            if line.kind is Kind.ERASURE:
                self.unsaid.discard(clip)
            self.gone.add(clip)
        elif _holds(line):
            self.held.note(clip, line.seq)
            self.gone.discard(clip)


def without(data: bytes, due: Mapping[str, int]) -> tuple[bytes, int]:
    """The lines in `data`, each clip in `due` without payloads in lines below its number, and how many went."""
    marks = {msgspec.json.encode(clip) for clip in due}
    kept: list[bytes] = []
    count = 0
    for line in lines_of(data):
        found = _CLIP.search(line)
        if found and found[1] in marks:
            seen = look(line)
            if seen.seq < due.get(seen.clip, 0) and _holds(seen):
                kept.append(erased(line))
                count += 1
                continue
        kept.append(line)
    return (b"".join(kept), count) if count else (data, 0)


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


def _between(starts: Sequence[int], first: int, last: int) -> range:
    """The places of the segments with the lines from `first` to `last`; `starts` has each one's first line."""
    return range(max(bisect_right(starts, first) - 1, 0), bisect_right(starts, last))
