"""The review screen: what stands where, and how each part is told its content. It knows no keys, no sound and no
store.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from earmark.queue.session import Place, Progress
from earmark.tui.screens.status import status_line
from earmark.tui.sitting import SyncState
from earmark.tui.widgets.lines import Lines, Piece, spread
from earmark.tui.widgets.panel import Panel
from earmark.tui.widgets.transcript import Transcript, tokens
from earmark.tui.widgets.waveform import Waveform

TALL = 28
"""From so many rows on the waveform and the panel are larger."""

SHORT = {"-short": 20, "-low": 13, "-least": 8, "-sliver": 5}
"""Below so many rows parts shrink or go; the text and the notice, which may say NOT SAVED, stay longest."""


class Playing(msgspec.Struct, frozen=True):
    """The player's state as the clock line shows it. Times are seconds of the clip; `waiting` says why nothing sounds
    yet, `silent` that nothing can, `estimated` that nobody can tell for sure what was heard.
    """

    position: float = 0.0
    duration: float = 0.0
    speed: float = 1.0
    playing: bool = False
    loop: bool = False
    heard: float = 0.0
    waiting: str = ""
    silent: bool = False
    estimated: bool = False


class ReviewScreen(Screen[None], inherit_bindings=False):
    """One clip: status, waveform, clock, text, notice, hints; and a panel that can be opened below the text."""

    AUTO_FOCUS = ""

    def __init__(self, opened: Callable[[], None]) -> None:
        """`opened` is called when the parts are there, before the first paint."""
        super().__init__()
        self._opened = opened
        self.alarmed = False
        """Whether the notice is one that only a key may clear."""

        self._said = ("", "")

    def compose(self) -> ComposeResult:
        yield Lines(id="status")
        yield Waveform(id="waveform")
        yield Lines(id="clock")
        yield Lines(id="label")
        yield Transcript(id="transcript")
        yield Panel(id="panel")
        yield Lines(id="notice")
        yield Lines(id="hints")
        yield Lines(id="blank")

    def on_mount(self) -> None:
        self.status = self.query_one("#status", Lines)
        self.waveform = self.query_one("#waveform", Waveform)
        self.clock = self.query_one("#clock", Lines)
        self.label = self.query_one("#label", Lines)
        self.transcript = self.query_one("#transcript", Transcript)
        self.panel = self.query_one("#panel", Panel)
        self.notice = self.query_one("#notice", Lines)
        self.hints = self.query_one("#hints", Lines)
        self.blank = self.query_one("#blank", Lines)
        self.blank.show((), ((" Blank and silent while you are away. Any key brings the clip back.", ""),))
        self._opened()

    def on_resize(self, event: events.Resize) -> None:
        rows = event.size.height
        self.set_class(rows >= TALL, "-tall")
        for name, enough in SHORT.items():
            self.set_class(rows < enough, name)

    @property
    def inner(self) -> int:
        """The width, in cells, between the margins, at least 1; the terminal's own while the screen is not laid out
        yet.
        """
        return max(1, (self.size.width or self.app.size.width) - 2)

    # -- parts -------------------------------------------------------------------------------------------------------

    def show_clip(self, place: Place | None, doubt_below: float) -> None:
        """The clip on the screen: waveform, label and text; or that none is left."""
        if place is None:
            self.waveform.show(b"")
            self.label.show((("Nothing left to decide here.", "good"),))
            self.transcript.show([])
            return
        self.waveform.show(place.clip.peaks)
        self.show_text(place, doubt_below)

    def show_text(self, place: Place, doubt_below: float) -> None:
        """The label that says whose text this is, and the text."""
        self.label.show(label(place))
        clip = place.clip
        words = clip.hypothesis.words if place.shown == clip.hypothesis.text else ()
        self.transcript.show(tokens(place.shown, words, doubt_below), empty="(the machine heard no words)")

    def hide_text(self) -> None:
        """Nothing of the clip stays on the screen."""
        self.transcript.show([])
        self.label.show(())
        self.waveform.show(b"")

    def show_status(
        self, progress: Progress, saved: int, sync: SyncState, sound: Piece, unsynced_warn: int, offline: str = ""
    ) -> None:
        """Progress, saved and unsent counts, and the way out for sound; `offline` says until when there need be no
        store.
        """
        self.status.show(status_line(progress, saved, sync, sound, unsynced_warn, offline, self.inner))

    def show_clock(self, playing: Playing | None, must_hear: float) -> None:
        """State, position, duration, speed, and how much was heard of what must be; nothing without a clip."""
        if playing is None:
            self.clock.show(())
            return
        if playing.silent:
            state: Piece = ("– silent", "muted")
        elif playing.waiting:
            state = (f"… {playing.waiting}", "muted")
        else:
            state = ("▶ playing", "accent") if playing.playing else ("‖ paused ", "")
        position = clock_time(playing.position, tenths=not playing.playing)
        length = clock_time(playing.duration, tenths=True)
        middle = f"   {position} / {length}   {playing.speed:g}×{'   ↻ loop' if playing.loop else ''}"
        enough = playing.heard + 1e-9 >= must_hear
        heard: Piece = (
            f"heard {'about ' if playing.estimated else ''}{playing.heard:.0%}{' ✓' if enough and must_hear else ''}",
            "good" if enough and must_hear else "muted",
        )
        self.clock.show(spread([state, (middle, "")], [heard], self.inner))

    def say(self, text: str, look: str = "muted") -> None:
        """A sentence or two for the reviewer, on at most two lines; an empty text clears them."""
        self.alarmed = look == "bad" and bool(text)
        self._said = text, look
        lines = textwrap.wrap(text, self.inner, max_lines=2, placeholder=" …")
        self.notice.show(*(((line, look),) for line in lines), *[()] * (2 - len(lines)))

    def say_again(self) -> None:
        """The same notice, for the width that there is now."""
        self.say(*self._said)


def label(place: Place) -> tuple[Piece, ...]:
    """Whose text is on the screen."""
    lang = f"  {place.clip.lang}" if place.clip.lang else ""
    decided = place.latest.verdict.value if place.latest is not None and place.decided else None
    if place.kept is not None:
        return (("YOUR TEXT", "accent"), (" not saved yet", "warn"), (lang, "muted"))
    if decided is not None:
        return (
            ("DECIDED", "good"),
            (f" {decided}", "strong"),
            (" · a new decision revises it", "muted"),
        )
    return (("MACHINE HEARD", "muted"), (lang, "muted"))


def clock_time(seconds: float, *, tenths: bool) -> str:
    """`m:ss`, or `m:ss.t` with tenths; both cut, never rounded up, so that the end is not shown before it is
    reached.
    """
    whole = int(seconds * 10 + 1e-6)
    minutes, rest = divmod(whole, 600)
    text = f"{minutes}:{rest // 10:02d}"
    return f"{text}.{rest % 10}" if tenths else text
