"""Sound at the other end of a line: the program's side of `earmark speaker`.

It listens for as long as the program runs; whoever joins last plays. One thread owns the line. `stop` and a `play` of
what is there already are written by whoever calls them, at once, since a hand waits for them.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from earmark.tui.sound.sinks.interface import Ended, Failed, Joined, Lost, Report, SinkEvent, Started
from earmark.tui.sound.sinks.process import one_line
from earmark.tui.sound.speaker.codecs import encode
from earmark.tui.sound.speaker.far import HELLO_WAIT, Far
from earmark.tui.sound.speaker.frames import GREETING, MAGIC, TOOK_OVER, Frame
from earmark.tui.sound.speaker.link import Link
from earmark.tui.sound.speaker.rendezvous import Meeting

if TYPE_CHECKING:
    from earmark.tui.sound.track import Cut, Piece

WAITS = ": sound waits for it, and goes on from its place when it is back."

EARLY = 0.25
"""Seconds before its time at which a receiver may say that it has played something to its end."""

_NEWCOMERS = 8  # connections at a time that have not said who they are
_TURN = 0.25  # seconds between looks at what is due while somebody is here


class _Request(msgspec.Struct):
    """What is to sound, or does: `asked` is when the receiver was told (None: its sound is still on the way)."""

    generation: int
    piece: Piece
    first: int
    last: int
    asked: float | None = None
    began: bool = False

    @property
    def seconds(self) -> float:
        return (self.last - self.first) / self.piece.rate

    def over(self, now: float) -> bool:
        """Whether it must have sounded to its end by now."""
        return self.began and self.asked is not None and now >= self.asked + self.seconds


class Speaker:
    """Plays where a person's ears are. `wanted` says whether sound is to go there and nowhere else."""

    def __init__(self, report: Report, *, only: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """`only`: sound goes nowhere else even before somebody has joined. Raises `NoRendezvous` where nobody can."""
        self._meeting = Meeting()
        self._report = report
        self._clock = clock
        self._lock = threading.RLock()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._closed = False
        self._events: list[SinkEvent] = []
        self._newcomers: dict[Link, float] = {}
        self._expected: tuple[Piece, ...] = ()
        self._request: _Request | None = None
        self._far: Far | None = None
        self.wanted = only
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    # What the player asks for.

    @property
    def joined(self) -> bool:
        """Whether somebody plays at the other end now."""
        far = self._far
        return far is not None and far.joined

    @property
    def met(self) -> bool:
        """Whether somebody is there, even where they have not said yet what they are."""
        far = self._far
        return far is not None and not far.away

    @property
    def name(self) -> str:
        """What the status line shows."""
        far = self._far
        return far.name if far is not None else "speaker"

    @property
    def estimated(self) -> bool:
        """Whether the receiver cannot say what sounded, so that it is reckoned here."""
        far = self._far
        return far is not None and far.joined and not far.answers

    @property
    def awaited(self) -> float | None:
        """How much of what is to sound has arrived, from 0 to 1; None where nothing is waited for."""
        with self._lock:
            request, far = self._request, self._far
            if request is None or request.began or far is None:
                return None
            share = far.share(request.piece)
            return share if share < 1 else None

    def play(self, generation: int, cut: Cut) -> None:
        """Silence what plays, then play this part of a piece as soon as it is there."""
        with self._lock:
            self._silence()
            self._request = _Request(generation, cut.piece, cut.first, cut.last)
            if self._far is not None and self._far.freight is not None:
                self._far.freight.first(cut.piece)
                self._ask()
        self._ring()

    def stop(self) -> None:
        """Silence at once."""
        with self._lock:
            self._silence()

    def expect(self, pieces: Sequence[Piece]) -> None:
        """Have these pieces at the other end, the likeliest first, before they are asked for, and no others."""
        with self._lock:
            self._expected = tuple(pieces)
            if self._far is not None and self._far.freight is not None:
                for frame in self._far.freight.want(pieces):
                    self._send(frame)
        self._ring()

    def keep(self, pieces: Sequence[Piece]) -> None:
        """Forget all but these at the other end, at once; none that is not on its way already sets out."""
        with self._lock:
            self._expected = tuple(pieces)
            if self._far is not None and self._far.freight is not None:
                for frame in self._far.freight.keep(pieces):
                    self._send(frame)

    def close(self) -> None:
        """Silence, leave nothing at the other end, and hang up."""
        with self._lock:
            self._send(Frame("R"))
            self._closed = True
            self._request = None
        self._ring()
        if threading.current_thread() is not self._thread:
            self._thread.join(1.0)

    # With the lock held.

    def _send(self, frame: Frame) -> None:
        if self._far is not None:
            self._far.link.send(frame)
            if self._far.link.clogged:
                self._ring()

    def _silence(self) -> None:
        if self._request is not None and self._request.asked is not None:
            self._send(Frame("S"))
        self._request = None

    def _ask(self) -> None:
        """Have the request play, if all of its sound has gone out and somebody is there."""
        request, far = self._request, self._far
        if request is None or request.asked is not None or far is None or far.freight is None or not far.joined:
            return
        if far.freight.whole(request.piece):
            request.asked = self._clock()
            self._send(Frame(f"P {request.generation} {request.piece.key} {request.first} {request.last}"))
            if not far.answers:
                request.began = True
                self._events.append(Started(request.generation, request.asked))

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # it rings already, or nobody listens any more
            self._bell.send(b"!")

    # On the thread that owns the line.

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._meeting.socket, selectors.EVENT_READ)
            selector.register(self._ear, selectors.EVENT_READ)
            while not self._closed:
                self._watch(selector)
                self._pack()
                with self._lock:
                    self._look(selector)
                    events, self._events = self._events, []
                for event in events:
                    self._report(event)
        self._meeting.close()
        with self._lock:
            for link in [*self._newcomers, *([self._far.link] if self._far is not None else [])]:
                link.close()
            self._far = None
        self._bell.close()
        self._ear.close()

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Wait for something to do, and do it."""
        if self._far is not None:
            link = self._far.link
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.clogged else 0)
            selector.modify(link.socket, wanted, link)
        for key, mask in selector.select(self._patience()):
            if key.fileobj is self._ear:
                self._ear.recv(4096)
            elif key.fileobj is self._meeting.socket:
                self._welcome(selector)
            elif key.data in self._newcomers or (self._far is not None and key.data is self._far.link):
                with self._lock:
                    if mask & selectors.EVENT_WRITE:
                        key.data.flush()
                    if mask & selectors.EVENT_READ:
                        self._listen(selector, key.data)

    def _patience(self) -> float | None:
        """Seconds until something is due; None while nobody is here."""
        with self._lock:
            request, far = self._request, self._far
            if far is None:
                return _TURN if self._newcomers else None
            now, due = self._clock(), _TURN
            if request is not None and request.began and request.asked is not None and not far.answers:
                due = request.asked + request.seconds - now
            return max(0.0, min(_TURN, due, far.due(now)))

    def _welcome(self, selector: selectors.BaseSelector) -> None:
        connection = self._meeting.accept()
        if connection is None:
            return
        link = Link(connection)
        if len(self._newcomers) >= _NEWCOMERS:
            link.close()
            return
        self._newcomers[link] = self._clock() + HELLO_WAIT
        selector.register(connection, selectors.EVENT_READ, link)

    def _listen(self, selector: selectors.BaseSelector, link: Link) -> None:
        lines = link.read()
        if lines is None:
            self._leave(selector, link)
            return
        for line in lines:
            if self._far is not None and link is self._far.link:
                self._hear(line, self._far)
            elif line == GREETING:
                self._take(selector, link)
            else:
                self._leave(selector, link)
                return

    def _take(self, selector: selectors.BaseSelector, link: Link) -> None:
        """A speaker has joined: the one before ends."""
        del self._newcomers[link]
        newer = self._far is not None
        if self._far is not None:
            self._send(Frame("Q another speaker of yours has taken over"))
            self._leave(selector, self._far.link, "A newer speaker takes over.")
        self._far = Far(link, self._clock(), newer=newer)
        self.wanted = True
        self._send(Frame(MAGIC))
        if newer:
            self._send(Frame(TOOK_OVER))

    def _leave(self, selector: selectors.BaseSelector, link: Link, words: str = f"The speaker is gone{WAITS}") -> None:
        selector.unregister(link.socket)
        link.close()
        self._newcomers.pop(link, None)
        far = self._far
        if far is not None and link is far.link:
            self._far = self._request = None
            if far.joined:
                self._lose(far, self._clock(), words)

    def _lose(self, far: Far, now: float, words: str) -> None:
        """What a receiver that answers played after its last sign of life may not have been heard."""
        self._events.append(Lost(far.heard_at if far.answers else now, words))

    def _hear(self, line: str, far: Far) -> None:
        """A line of the receiver's. What makes no sense is passed over: nothing that it says is trusted."""
        now = self._clock()
        word, *rest = line.split(" ")
        if word == "HELLO" and len(rest) == 3 and rest[0] == "1" and not far.answers:
            self._greet(far, rest[1], rest[2].split(","))
        if not far.answers:
            return
        far.heard_at = now
        if far.away:
            far.away = False
            self._events.append(Joined(far.name, "the speaker is back"))
        request = self._request
        if word == "A":
            far.arrived(now)
        elif word == "K" and rest:
            far.ponged(rest[0], now)
        elif request is not None and request.asked is not None and rest and rest[0] == str(request.generation):
            self._progress(word, " ".join(rest[1:]), request, now - far.flow.base)

    def _progress(self, word: str, words: str, request: _Request, at: float) -> None:
        """`at` leaves out what the line takes there and back: the stop that ends this sound takes as long to go there
        as its beginning took.
        """
        assert request.asked is not None
        if word == "B" and not request.began:
            request.began = True
            self._events.append(Started(request.generation, max(request.asked, at)))
        elif word == "E" and request.began:
            self._request = None
            # The way of `B` may have been longer than that of `E`: what counts is the time since it was asked for.
            self._events.append(Ended(request.generation, whole=request.over(at + EARLY)))
        elif word == "X":
            self._request = None
            self._events.append(Failed(request.generation, one_line(f"at your end: {words or 'it does not play'}")))

    def _greet(self, far: Far, name: str, codecs: Sequence[str]) -> None:
        self._silence()
        far.greet(name, codecs, self._expected, self._clock())
        words = ["a newer speaker has taken over"] if far.newer else []
        if not name:
            words.append("it cannot answer, so what is heard is estimated")
        self._events.append(Joined(far.name, "; ".join(words)))

    def _pack(self) -> None:
        """Encode what goes out next, without the lock: a stop must not wait for it."""
        with self._lock:
            far = self._far
            piece = far.to_pack() if far is not None else None
        if far is None or far.freight is None or piece is None:
            return
        data = encode(piece.samples, piece.rate, far.freight.codec)
        with self._lock:
            far.freight.pack(piece, data)

    def _look(self, selector: selectors.BaseSelector) -> None:
        """What is due: a receiver that says nothing, the end of a sound that nobody tells, the next bytes."""
        now = self._clock()
        for link in [link for link, by in self._newcomers.items() if by < now]:
            self._leave(selector, link)
        far, request = self._far, self._request
        if far is None or self._closed:  # nothing goes out after `R`
            return
        if far.mute(now):
            self._greet(far, "", ())
        if request is not None and request is self._request and not far.answers and request.over(now):
            self._request = None
            self._events.append(Ended(request.generation))
        far.ping(now)
        if far.silent(now):
            self._silence()
            self._lose(far, far.heard_at, f"The speaker does not answer{WAITS}")
            far.away = True
        while far.load(now):
            self._ask()
        if far.to_pack() is not None:
            self._ring()
