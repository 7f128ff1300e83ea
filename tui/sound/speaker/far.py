"""Whoever plays at the other end: who it is, whether it is there, what it has and what it is still to get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from earmark.tui.sound.speaker.flow import Flow
from earmark.tui.sound.speaker.frames import CODECS, Frame
from earmark.tui.sound.speaker.freight import Freight
from earmark.tui.sound.speaker.link import Link

if TYPE_CHECKING:
    from earmark.tui.sound.track import Piece

HELLO_WAIT: Final = 4.0
"""Seconds after which a receiver that has not said hello counts as one that cannot answer."""

PING: Final = 1.0
"""Seconds between two questions whether the receiver is there."""

SILENCE: Final = 3.0
"""Seconds without an answer after which the receiver counts as away, on top of what the line itself takes."""

BLIND_RATE: Final = 128 * 1024
"""Bytes of sound a second to a receiver that cannot answer: no queue grows on a line of 1.5 Mbit/s or more, and so what
is reckoned there is near the truth.
"""
BLIND_FRAME: Final = 3 * 1024

_BLIND_CODEC = "gzip"  # for whoever cannot say what it decodes: gunzip is everywhere
_NAME = 16  # characters of a receiver's name that are shown


class Far:
    """One receiver behind one link. Moments are seconds of one clock. Not safe for two threads at once."""

    def __init__(self, link: Link, now: float, *, newer: bool = False) -> None:
        """`newer`: another one played until it came."""
        self.link = link
        self.newer = newer
        self.answers = False
        """Whether it says what it does; False for one that cannot, and until it has said hello."""
        self.away = False
        """It was there, and does not answer."""
        self.heard_at = now
        """When it last gave a sign of life."""
        self.freight: Freight | None = None
        """What goes there; None until it is known what it can decode."""
        self.flow = Flow()
        self._blind_at = now
        self._receiver = ""
        self._hello_by = now + HELLO_WAIT
        self._ping: tuple[int, float] | None = None
        self._pinged_at = 0.0
        self._pings = 0

    @property
    def joined(self) -> bool:
        """Whether it plays now."""
        return self.freight is not None and not self.away

    @property
    def name(self) -> str:
        """What the status line shows."""
        return f"speaker {self._receiver}".strip()

    def mute(self, now: float) -> bool:
        """Whether it has had its time to say hello, and has not."""
        return self.freight is None and now >= self._hello_by

    def greet(self, name: str, codecs: Sequence[str], expected: Sequence[Piece], now: float) -> None:
        """It says who it is and what it decodes; without a name it is taken for one that cannot answer."""
        self.answers = bool(name)
        self.heard_at = now
        self._receiver = "".join(c for c in name if c.isalnum() or c in "-/.")[:_NAME]
        known = [codec for codec in codecs if codec in CODECS]
        codec = known[0] if known else _BLIND_CODEC
        if self.freight is None or self.freight.codec != codec:
            # One that says hello late may not know what was sent until then.
            self.freight = Freight(codec)
            self.freight.want(expected)

    def arrived(self, now: float) -> None:
        """It has acknowledged the oldest frame of sound on the way."""
        self.flow.arrived(now)
        if self.freight is not None:
            self.freight.arrived()

    def ping(self, now: float) -> None:
        """Ask whether it is there, when it is time to. Whoever cannot answer is asked too: that shows a broken way."""
        if self.freight is not None and self._ping is None and now - self._pinged_at >= PING:
            self._pings += 1
            self._pinged_at = now
            self._ping = (self._pings, now) if self.answers else None
            self.link.send(Frame(f"K {self._pings}"))

    def ponged(self, number: str, now: float) -> None:
        """It says that it is there; an answer to no question of ours counts for nothing."""
        if self._ping is not None and number == str(self._ping[0]):
            self.flow.pinged(now - self._ping[1], now)
            self._ping = None

    def silent(self, now: float) -> bool:
        """Whether it has been asked, and has given no sign of life for too long."""
        if not self.answers or self.away or self._ping is None:
            return False
        return now - max(self._ping[1], self.heard_at) > SILENCE + 2 * self.flow.base

    def share(self, piece: Piece) -> float:
        """How much of a piece is there, from 0 to 1."""
        return 0.0 if self.freight is None else self.freight.share(piece, acknowledged=self.answers)

    def to_pack(self) -> Piece | None:
        """The piece that is to go out next and is not encoded yet."""
        piece = self._next()
        return None if piece is None or self.freight is None or self.freight.packed(piece) else piece

    def load(self, now: float) -> bool:
        """Send the next bytes of sound, as many as the line takes without a queue; False when nothing more goes now."""
        piece = self._next()
        room = self._room(now)
        if piece is None or self.freight is None or not room or self.link.clogged or not self.freight.packed(piece):
            return False
        for frame in self.freight.next(piece, room):
            self.link.send(frame)
            if self.answers and frame.data:
                self.flow.sent(len(frame.data), now)
            self._blind_at = max(self._blind_at, now) + len(frame.data) / BLIND_RATE
        return True

    def due(self, now: float) -> float:
        """Seconds until more sound may go to a receiver that cannot answer; a minute where that is not the question."""
        return 60.0 if self.answers or self.link.clogged or self._next() is None else self._blind_at - now

    def _room(self, now: float) -> int:
        """Bytes that may go now; 0 for none."""
        if self.answers:
            return self.flow.room()
        return BLIND_FRAME if now >= self._blind_at else 0

    def _next(self) -> Piece | None:
        return self.freight.pending(slow=self.flow.slow) if self.freight is not None and self.joined else None
