"""The journal's files: numbered segments of lines, read, checked at opening, and mended where a write was cut off."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec

from earmark.queue import files
from earmark.queue.decision import Verdict
from earmark.queue.journal.errors import JournalCorrupt
from earmark.queue.journal.line import BadLine, Entry, Kind, Reason, decode, verify
from earmark.queue.store.interface import Head

_NAME = re.compile(r"[0-9]{6,}\.jsonl")


class Glance(msgspec.Struct, gc=False):
    """Of a line, what an opening needs to know. Quicker to decode than `Entry`."""

    seq: int
    kind: Kind
    device: str
    reviewer: str
    at: str
    clip: str
    payload: msgspec.Raw
    chain: str
    verdict: Verdict | None = None
    reason: Reason | None = None


look = msgspec.json.Decoder(Glance).decode


class Segment:
    """One file of the journal: the number of its first line, and where each line starts (in bytes)."""

    __slots__ = ("first", "path", "size", "starts")

    def __init__(self, path: Path, first: int) -> None:
        self.path = path
        self.first = first
        self.starts = array("Q")
        self.size = 0

    def add(self, length: int) -> None:
        """One more line, of `length` bytes, stands at the end of the file."""
        self.starts.append(self.size)
        self.size += length

    def measure(self, data: bytes) -> None:
        """The file now holds `data`."""
        self.starts = array("Q")
        self.size = 0
        for line in lines_of(data):
            self.add(len(line))

    def read(self) -> bytes:
        """The bytes of all its sound lines."""
        return files.read(self.path)[: self.size]

    def part(self, after: int, most: int, most_bytes: int) -> list[bytes]:
        """Its lines with a number above `after`: at most `most`, and of `most_bytes` together, but at least one."""
        index = max(after + 1 - self.first, 0)
        bounds = [*self.starts[index : index + most + 1], self.size][: most + 1]
        if len(bounds) < 2:
            return []
        while len(bounds) > 2 and bounds[-1] - bounds[0] > most_bytes:
            bounds.pop()
        fd = files.open_file(self.path, os.O_RDONLY)
        with os.fdopen(fd, "rb") as file:
            file.seek(bounds[0])
            return [file.read(end - start) for start, end in pairwise(bounds)]


class Index:
    """Which clips the lines speak of, with the number of each one's last decision (0 for none), and of each with
    unfinished text the number of its draft. Every line on a clip spends the draft before it.
    """

    def __init__(self) -> None:
        self.clips: dict[str, int] = {}
        self.unfinished: dict[str, int] = {}

    def note(self, clip: str, seq: int, kind: Kind) -> None:
        self.clips[clip] = seq if kind is Kind.DECISION else self.clips.get(clip, 0)
        self.unfinished.pop(clip, None)
        if kind is Kind.DRAFT:
            self.unfinished[clip] = seq


class Loaded:
    """What an opening found: the segments, the last line (None in an empty journal), and what it mended, in words."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.index = Index()
        self.head = Head()
        self.last: Glance | None = None
        self.recovered: list[str] = []

    def take(self, segment: Segment, length: int, line: Glance) -> None:
        segment.add(length)
        self.index.note(line.clip, line.seq, line.kind)
        self.head = Head(line.seq, line.chain)
        self.last = line


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.jsonl"


def torn_path(segment: Path) -> Path:
    return segment.with_name(segment.name + ".torn")


def segment_paths(folder: Path) -> list[Path]:
    """The folder's segments, in order."""
    return sorted((p for p in folder.iterdir() if _NAME.fullmatch(p.name)), key=lambda p: int(p.stem))


def lines_of(data: bytes) -> Iterator[bytes]:
    """Whole lines, with their line feeds; a last one without is left out."""
    start = 0
    while end := data.find(b"\n", start) + 1:
        yield data[start:end]
        start = end


def entries(folder: Path) -> Iterator[Entry]:
    """Every whole line, decoded, in order. Needs no lock: another process may be writing.

    Raises `JournalCorrupt`, `OSError`.
    """
    for path in segment_paths(folder):
        yield from entries_in(path.name, files.read(path))


def entries_in(name: str, data: bytes) -> Iterator[Entry]:
    """Every whole line of a segment, decoded. Raises `JournalCorrupt` for one that is no line at all."""
    for number, line in enumerate(lines_of(data), 1):
        try:
            entry = decode(line)
        except BadLine as bad:
            raise JournalCorrupt(name, number, str(bad)) from None
        yield entry


def latest_of(lines: Iterable[Entry]) -> dict[str, Entry]:
    """The last decision on each clip."""
    return {entry.clip: entry for entry in lines if entry.kind is Kind.DECISION}


def drafts_of(lines: Iterable[Entry]) -> dict[str, str]:
    """The text left unfinished on each clip. A later decision spends it, and so does an empty draft."""
    drafts: dict[str, str] = {}
    for entry in lines:
        drafts.pop(entry.clip, None)
        if entry.kind is Kind.DRAFT and entry.text:
            drafts[entry.clip] = entry.text
    return drafts


def load(folder: Path, watch: Callable[[Glance], None]) -> Loaded:
    """Go over every line once, telling `watch` of each, mend the end of the newest segment, and say what is there.

    The newest segment is checked whole. The earlier ones were, while they were the newest: of those the numbers are
    checked, and the chain from each one's last line to the next one's first. Raises `JournalCorrupt`, `OSError`.
    """
    loaded = Loaded()
    paths = segment_paths(folder)
    for path in paths:
        newest = path == paths[-1]
        data = files.read(path)
        segment = Segment(path, loaded.head.seq + 1)
        whole = list(lines_of(data))
        if newest and whole and b"\0" in whole[-1]:
            whole.pop()  # pages that never reached the disk before the power went
        for number, line in enumerate(whole, 1):
            known = 1 < number < len(whole) and not newest
            try:
                seen = _look(line, loaded.head, known=known)
            except BadLine as bad:
                raise JournalCorrupt(path.name, number, str(bad)) from None
            if loaded.last and loaded.last.device != seen.device:
                raise JournalCorrupt(path.name, number, "it was written by another device")
            loaded.take(segment, len(line), seen)
            watch(seen)
        loaded.segments.append(segment)
        rest = data[segment.size :]
        if rest and not newest:
            raise JournalCorrupt(path.name, len(whole) + 1, "the line is cut off")
        if rest:
            _mend(segment, rest, loaded, watch)
    return loaded


def _look(line: bytes, head: Head, *, known: bool) -> Glance:
    if not known:
        verify(line, head.chain)
    try:
        seen = look(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadLine("not a journal line") from None
    if seen.seq != head.seq + 1:
        raise BadLine(f"it has number {seen.seq}, where {head.seq + 1} should be")
    return seen


def _mend(segment: Segment, rest: bytes, loaded: Loaded, watch: Callable[[Glance], None]) -> None:
    """What stands behind the last sound line is kept as a line when only its line feed is missing, else set aside."""
    name = segment.path.name
    try:
        seen = _look(rest + b"\n", loaded.head, known=False)
    except BadLine:
        torn = torn_path(segment.path)
        fd = files.open_append(torn)
        try:
            files.write_all(fd, rest.removesuffix(b"\n").replace(b"\n", b"\0") + b"\n")  # one line a tail
            files.sync(fd)
        finally:
            os.close(fd)
        fd = files.open_file(segment.path, os.O_RDWR)
        try:
            os.ftruncate(fd, segment.size)
            os.fsync(fd)
        finally:
            os.close(fd)
        loaded.recovered.append(
            f"{name}: the last line was cut off while it was written; it was never shown as saved, "
            f"and what there is of it ({len(rest)} bytes) is now in {torn.name}"
        )
        return
    fd = files.open_append(segment.path)
    try:
        files.write_all(fd, b"\n")
        files.sync(fd)
    finally:
        os.close(fd)
    loaded.take(segment, len(rest) + 1, seen)
    watch(seen)
    loaded.recovered.append(f"{name}: the last line was whole but for its line feed, and has been kept")
