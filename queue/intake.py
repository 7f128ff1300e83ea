"""From a manifest into a store: each line read, its audio decoded, the clip handed over; what is no good is told."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from earmark.queue.audio import LONGEST, check_length, encode_flac, identity, peaks, read_clip
from earmark.queue.formats.nemo import Fault, Row, hypothesis, read
from earmark.queue.source import Finder, SourceError
from earmark.queue.store.interface import Incoming, Store
from earmark.queue.text import clean_name

_IN_FLIGHT = 120_000_000  # bytes of samples that may be decoded ahead of the store
_BYTES_A_SECOND = 384_000  # of 16 bits at 192 kHz, since the rate is not known before the file is open
_PROGRESS_STEPS = 1000


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a manifest that did not go in: where, why, and the audio file that it names (made fit to be shown)."""

    file: str
    line: int
    reason: str
    audio: str | None = None

    def __str__(self) -> str:
        return ": ".join(part for part in (f"{self.file}:{self.line}", self.audio, self.reason) if part)


class Loaded(msgspec.Struct, frozen=True):
    """What became of a manifest's lines (blank ones aside).

    `added` went in, or would have in a dry run; `known` were there already, the same sound with the same hypothesis;
    `rejected` did not go in, among them `other_text` (the same sound with another hypothesis) and `withdrawn`.
    """

    added: int = 0
    known: int = 0
    rejected: int = 0
    other_text: int = 0
    withdrawn: int = 0


def load(
    manifest: Path,
    store: Store | None,
    *,
    subject_field: str | None = None,
    dry_run: bool = False,
    roots: Iterable[Path] | None = None,
    longest: float = LONGEST,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_reject: Callable[[Reject], None] | None = None,
) -> Loaded:
    """Take a NeMo manifest's clips into the store, in the manifest's order. Doing it twice changes nothing.

    A bad line or clip is told to `on_reject` and passed over. `on_progress` is told the bytes of the manifest that are
    done, and how many there are. `roots` are the folders in which audio may lie (see `Finder`), `longest` is the cap in
    seconds. Decoding runs in `workers` threads (default: one a processor), a bounded stretch ahead of the store.

    A dry run needs no store: it checks each line and that its audio is there, and decodes nothing.

    Raises `SourceError` when the manifest cannot be read, `NotOurField` for an impossible `subject_field`, and what the
    store raises.
    """
    told = _Told(manifest, on_progress, on_reject)
    rows = read(manifest, subject_field=subject_field)
    found = _found(rows, Finder(manifest, roots), longest, told)
    if dry_run or store is None:
        for row, _ in found:
            told.outcome("added", row)
    else:
        for row, outcome in _taken(found, store, longest, workers or os.cpu_count() or 1, told):
            told.outcome(outcome, row)
    return told.loaded()


class _Told:
    """Counts what became of the lines, and tells it to whoever asked."""

    def __init__(
        self,
        manifest: Path,
        on_progress: Callable[[int, int], None] | None,
        on_reject: Callable[[Reject], None] | None,
    ) -> None:
        self._file = clean_name(manifest.name)
        self._on_progress = on_progress
        self._on_reject = on_reject
        self._bytes = manifest.stat().st_size if manifest.is_file() else 0
        self._next = 0
        self._counts: Counter[str] = Counter()

    def outcome(self, outcome: str, row: Row) -> None:
        """What the store said of a row, in its words."""
        if outcome in ("added", "known"):
            self._counts[outcome] += 1
        elif outcome == "other text":
            self._counts["other_text"] += 1
            self.reject(row, "the same sound is in the store already with another text; the first one stays")
        else:
            self._counts["withdrawn"] += 1
            self.reject(row, "withdrawn: it may not come in again")
        self.progress(row.end)

    def reject(self, at: Row | Fault, reason: str) -> None:
        self._counts["rejected"] += 1
        if self._on_reject is not None:
            audio = clean_name(at.audio) if at.audio is not None else None
            self._on_reject(Reject(file=self._file, line=at.line, reason=reason, audio=audio))
        self.progress(at.end)

    def progress(self, done: int) -> None:
        # A thousand steps are smooth enough; drawing a bar for each of a million lines would cost more than they do.
        if self._on_progress is not None and done >= self._next:
            self._on_progress(min(done, self._bytes), self._bytes)
            self._next = done + self._bytes // _PROGRESS_STEPS

    def loaded(self) -> Loaded:
        if self._on_progress is not None:
            self._on_progress(self._bytes, self._bytes)
        return Loaded(**self._counts)


def _found(rows: Iterable[Row | Fault], finder: Finder, longest: float, told: _Told) -> Iterator[tuple[Row, str]]:
    """Each usable line with the path of its audio; the others are told."""
    for row in rows:
        if isinstance(row, Fault):
            told.reject(row, row.reason)
            continue
        try:
            path = finder.find(row.audio)
            check_length(row.duration, longest)
        except SourceError as error:
            told.reject(row, str(error))
        else:
            yield row, path


def _taken(
    found: Iterator[tuple[Row, str]], store: Store, longest: float, workers: int, told: _Told
) -> Iterator[tuple[Row, str]]:
    """Each row that the store was given, in order, with what it said of it."""
    given: deque[Row] = deque()

    def incoming() -> Iterator[Incoming]:
        for row, clip in _prepared(found, longest, workers):
            if isinstance(clip, Incoming):
                given.append(row)
                yield clip
            else:
                told.reject(row, clip)

    for outcome in store.add(incoming()):
        yield given.popleft(), outcome


def _prepared(found: Iterator[tuple[Row, str]], longest: float, workers: int) -> Iterator[tuple[Row, Incoming | str]]:
    """The clips in order, decoded in threads; or why one cannot be had. Looks only so far ahead as memory allows."""
    ahead: deque[tuple[Row, int, Future[Incoming | str]]] = deque()
    weight = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        for row, path in found:
            needs = int((longest if row.duration is None else row.duration) * _BYTES_A_SECOND)
            while ahead and (weight + needs > _IN_FLIGHT or len(ahead) >= 4 * workers):
                done, freed, future = ahead.popleft()
                yield done, future.result()
                weight -= freed
            ahead.append((row, needs, pool.submit(_prepare, row, path, longest)))
            weight += needs
        while ahead:
            done, _, future = ahead.popleft()
            yield done, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare(row: Row, path: str, longest: float) -> Incoming | str:
    try:
        frames = read_clip(path, offset=row.offset, duration=row.duration, longest=longest)
        return Incoming(
            identity=identity(frames.samples, frames.rate),
            audio=encode_flac(frames.samples, frames.rate),
            duration=frames.duration,
            rate=frames.rate,
            hypothesis=hypothesis(row),
            lang=row.lang,
            peaks=peaks(frames.samples),
            source=row.source,
            subject=row.subject,
        )
    except SourceError as error:
        return str(error)
    except MemoryError:
        return "too much for this machine's memory"


@contextmanager
def reject_report(path: Path) -> Iterator[Callable[[Reject], None]]:
    """A JSON Lines file of what did not go in, one `Reject` a line, for the owner's eyes only; yields what writes it.

    Raises `OSError` when it cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), 0o600)
    with os.fdopen(descriptor, "wb") as out:

        def write(reject: Reject) -> None:
            out.write(msgspec.json.encode(reject) + b"\n")

        yield write
