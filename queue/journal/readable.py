"""What an open journal can be asked for."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from earmark.queue.journal import erasing
from earmark.queue.journal.erasing import Held, SetAside
from earmark.queue.journal.errors import reading
from earmark.queue.journal.line import Entry, chain_in, decode, erased
from earmark.queue.journal.sealing import PayloadSeal
from earmark.queue.journal.segments import Index, Segment, drafts_of, entries_in, latest_of

_DRAFT = b'{"v":1,"kind":"draft",'


class ReadableJournal:
    """The reading half of `Journal`, which keeps these fields as the files are."""

    folder: Path
    _turn: threading.RLock
    _segments: list[Segment]
    _index: Index
    _held: Held
    _seal: PayloadSeal | None

    def lines(self, after: int, *, most: int = 2000, most_bytes: int = 3 << 19) -> list[bytes]:
        """The lines for the store with numbers above `after`, with their line feeds, in order.

        At most `most` (a gate takes no more at once), of `most_bytes` together, and from one segment, but at least one
        when there is any. A draft's payload never leaves this machine.
        """
        with self._turn:
            for segment in self._segments:
                if segment.first + len(segment.starts) > after + 1:
                    with reading():
                        part = segment.part(after, most, most_bytes)
                    return [erased(line) if line.startswith(_DRAFT) else line for line in part]
            return []

    def chain_at(self, seq: int) -> str | None:
        """The chain of line `seq` ("" for 0: before the first); None when there is no such line."""
        if seq == 0:
            return ""
        line = self._line(seq)
        return None if line is None else chain_in(line)

    def entries(self) -> Iterator[Entry]:
        """Every line, decoded, in order. Raises `JournalCorrupt`."""
        for segment in list(self._segments):
            with self._turn, reading():
                data = segment.read()
            yield from map(self._opened, entries_in(segment.path.name, data))

    def latest(self, clips: Iterable[str] | None = None) -> dict[str, Entry]:
        """The last decision on each clip, or on those of `clips` that have one."""
        if clips is None:
            return latest_of(self.entries())
        numbers = [seq for clip in clips if (seq := self._index.clips.get(clip))]
        with self._turn, reading():
            lines = [self._line(seq) for seq in numbers]
        return latest_of(self._opened(decode(line)) for line in lines if line is not None)

    def drafts(self) -> dict[str, str]:
        """The text left unfinished on each clip. A later decision spends it, and so does an empty draft."""
        with self._turn, reading():
            lines = [self._line(seq) for seq in self._index.unfinished.values()]
        return drafts_of(self._opened(decode(line)) for line in lines if line is not None)

    def _opened(self, entry: Entry) -> Entry:
        return entry if self._seal is None else self._seal.open(entry)

    def clips(self) -> set[str]:
        """The ids of all clips of which some line speaks."""
        return set(self._index.clips)

    def holding(self, clips: Collection[str]) -> set[str]:
        """Of these clips, those of which there is something that an erasure would take. Raises `OSError`."""
        with self._turn:
            scraps = erasing.in_scraps(self.folder, clips, unclear=True)
            return {clip for clip in clips if scraps or clip in self._held}

    def quarantine(self) -> tuple[SetAside, ...]:
        """The lines that the store would not take."""
        with self._turn, reading():
            return erasing.quarantine(self.folder)

    def _line(self, seq: int) -> bytes | None:
        with self._turn, reading():
            for segment in self._segments:
                if segment.first <= seq < segment.first + len(segment.starts):
                    return segment.part(seq - 1, 1, 0)[0]
            return None
