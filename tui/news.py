"""What the sitting's background tells the reviewer: of the store, of clips that came and clips that went."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from earmark.keymaps.actions import Context
from earmark.queue.sync import Sent
from earmark.tui.opening import words_of

if TYPE_CHECKING:
    from earmark.tui.reviewing import Reviewing


class News:
    """Puts on the screen what nobody pressed a key for. It is the sitting's watcher."""

    def __init__(self, reviewing: Reviewing) -> None:
        self._on = reviewing
        self._said: str | None = None

    def sync_changed(self) -> None:
        """The line to the store, or what waits to go over it, changed."""
        on, sync = self._on, self._on.sitting.sync
        on.paint_status()
        words = sync.words
        if sync.sign_in:
            from earmark.tui.signing import asked_to

            words = asked_to(on.keymap)
        # Each decision changes how much is unsent: said again, it would stand over what became of the decision.
        if words and (words == self._said or on.screen.alarmed):
            return
        self._said = words
        if words:
            on.app.say(words, "warn")

    def clips_withdrawn(self, on_screen: bool) -> None:
        """Customers took clips back; where the one on the screen is among them, it vanishes, with words."""
        self._on.panels.close()
        self._gone(on_screen, "The customer took this recording back: it is gone from here.")

    def leases_lost(self, on_screen: bool) -> None:
        """Leases ran out and somebody else got the clips."""
        self._gone(on_screen, self._on.sitting.why_lost)

    def _gone(self, on_screen: bool, words: str) -> None:
        on, now = self._on, time.monotonic()
        if on_screen:
            if on.context is Context.EDIT or on.stray.pending(now):
                words = on.stray.closed(math.inf if on.blank else now, words)
            on.forget_clip()
            on.visit(on.session.advance(now))
            on.app.say(words, "warn")
        on.fetch_ahead()
        on.paint_status()

    def disk_trouble(self, words: str) -> None:
        """The disk refused something that nobody waits for."""
        self._on.app.say(words, "bad")

    def clips_came(self, count: int) -> None:
        """More clips were leased."""
        on = self._on
        if on.session.current is None:
            on.visit(on.session.advance(time.monotonic()), play=False)
            on.app.tell(f"{count} more clips came. Press a key to hear the first.")
        on.paint_status()

    def has_sent(self, sent: Sent) -> None:
        """The store has what it had not; some lines it may have set aside."""
        if words := words_of(sent):
            if sent.quarantined:
                self._on.app.say(words, "bad")
            else:
                self._on.app.tell(words)
