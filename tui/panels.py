"""Opening, scrolling and closing the panel below the text: help, history, and what is said when nothing is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from earmark.tui.screens.panels import help_lines, history_lines, summary_lines

if TYPE_CHECKING:
    from earmark.keymaps.actions import Action
    from earmark.tui.reviewing import Reviewing

MOVES = {"up": -1, "down": 1, "home": -10_000, "end": 10_000}
PAGES = {"pageup": -1, "pagedown": 1}
CLOSE = ("escape", "ctrl+g", "q")

BESIDE_A_PANEL = frozenset(
    f"review.{name}"
    for name in ("play_pause", "replay", "back", "forward", "slower", "faster", "loop", "help", "history")
)
"""What keys go on doing while help or history are open. A key that is being read about must not decide a clip."""


class Panels:
    """Which panel is open: `help`, `history`, `summary` (nothing is left to decide), or None."""

    def __init__(self, reviewing: Reviewing) -> None:
        self._on = reviewing
        self.open: str | None = None
        self._clips: list[str] = []

    @property
    def reading(self) -> bool:
        """Whether somebody is reading: the summary is no panel that one opened."""
        return self.open in ("help", "history")

    def help(self) -> None:
        """Open or close the help."""
        if self.open == "help":
            self.close()
        else:
            self._fill_help()
            self._opened("help")

    def history(self) -> None:
        """Open or close the history of this sitting."""
        if self.open == "history":
            self.close()
            return
        places = self._on.session.history()
        self._clips = [place.clip.id for place in places]
        lines = history_lines(places, self._on.screen.inner - 2)
        self._on.screen.panel.fill(lines, chosen=1 if len(lines) > 1 else None)
        self._opened("history")

    def summary(self) -> None:
        """Say how the sitting went, now that nothing is left."""
        on, lang = self._on, self._on.settings.lang
        why = f"No clip{f' in {lang!r}' if lang else ''} waits for you now; new ones appear by themselves."
        if on.sitting.batch.spent:
            why = "The limit of this sitting (--limit) is reached."
        on.screen.panel.fill(summary_lines(on.session, on.sitting.saved, on.keymap, why))
        self._opened("summary")

    def _opened(self, name: str) -> None:
        self.open = name
        self._on.screen.add_class("-panel")
        self._on.paint_hints()

    def _fill_help(self) -> None:
        on = self._on
        on.screen.panel.fill(help_lines(on.keymap, on.settings.marks, on.screen.inner))

    def resized(self) -> None:
        """The width is another one: wrap the help anew."""
        if self.open == "help":
            self._fill_help()

    def close(self) -> None:
        """Close whatever panel is open; where nothing is left to decide, what is said of that comes back."""
        if self.open is not None:
            self.open = None
            self._clips = []
            self._on.screen.panel.fill([])
            self._on.screen.remove_class("-panel")
            self._on.paint_hints()
            if self._on.session.current is None:
                self.summary()

    def key(self, key: str) -> bool:
        """A key pressed while a panel is open. True when it was the panel's."""
        panel = self._on.screen.panel
        if key in MOVES:
            panel.scroll(MOVES[key])
        elif key in PAGES:
            panel.scroll(PAGES[key] * panel.page())
        elif key in CLOSE and self.reading:
            self.close()
        elif key == "enter" and self.open == "history" and panel.chosen:
            self._visit(panel.chosen - 1)
        else:
            return False
        return True

    def shields(self, action: Action) -> bool:
        """Whether a panel that is being read keeps this action from being carried out: it closes instead."""
        if not self.reading or action.id in BESIDE_A_PANEL or action.id.startswith("anywhere."):
            return False
        self.close()
        self._on.app.say("Closed. Press the key again to carry it out.")
        return True

    def _visit(self, index: int) -> None:
        place = self._on.session.go(self._clips[index], time.monotonic())
        if place is None:
            self._on.app.say("That clip is not shown again: it is marked critical, or was taken back by the customer.")
        else:
            self.close()
            self._on.visit(place)
