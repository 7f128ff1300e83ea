"""Telling a meant decision from a key held down, and a command from text gone astray. Pure: it is told the time."""

from __future__ import annotations

SETTLING = 0.3
"""Seconds after a clip's first paint in which a decision is ignored: nobody has seen the clip yet."""

REPEAT_DELAY = 0.75
"""Keyboards begin to repeat a held key 0.25 to 0.66 s after the press: the same decision key in this time may be a hand
at rest.
"""

REPEAT_GAP = 0.12
"""Repeats follow each other within this time; two presses of a finger do not."""

TYPING_GAP = 1.0
"""Seconds: whoever types seldom waits so long between two letters, and has seen by then that the text field is gone."""

PAUSE_FIRST = "Keys act again after a second without one."


class Guard:
    """Watches decision keys. `judge` says what to do with one: `go`, `ignore`, or `wait`.

    `wait` means that the key may be the first repeat of a held one: ask `confirmed` after `REPEAT_GAP`; when the key
    has come again by then, it is being held.
    """

    def __init__(self) -> None:
        self._painted: float | None = None
        self._last_key: str | None = None
        self._last_time = float("-inf")
        self._held = False

    def opened(self) -> None:
        """Another clip is about to be painted."""
        self._painted = None

    def painted(self, now: float) -> None:
        """The clip on the screen was painted for the first time."""
        self._painted = now

    def fresh(self, now: float) -> bool:
        """Whether nobody can have seen the clip on the screen yet."""
        return self._painted is None or now - self._painted < SETTLING

    def judge(self, key: str, now: float) -> str:
        """What to do with a decision key pressed at `now` (monotonic seconds)."""
        since = now - self._last_time
        same = key == self._last_key
        self._last_key, self._last_time = key, now
        if same and since <= REPEAT_GAP:
            self._held = True
            return "ignore"
        if self.fresh(now):
            self._held = self._held and same
            return "ignore"
        self._held = False
        return "wait" if same and since <= REPEAT_DELAY else "go"

    def confirmed(self) -> bool:
        """Whether the key that had to wait stayed the only one."""
        return not self._held


class Stray:
    """Catches what is typed for a text field that has been closed under the hand: as commands, the letters would act on
    whatever is on the screen now. It does so until the hand pauses.
    """

    def __init__(self) -> None:
        self._last = float("-inf")
        self.words = ""
        """What to say while keys are caught."""

    def closed(self, now: float, why: str) -> str:
        """The text field was closed, and no key had asked for it; gives the words to say. `now` is infinite where
        nobody looks: then the pause counts from the next key.
        """
        self._last = now
        self.words = f"{why} {PAUSE_FIRST}"
        return self.words

    def pending(self, now: float) -> bool:
        """Whether the hand may be typing still."""
        return now - self._last < TYPING_GAP

    def caught(self, now: float) -> bool:
        """Whether a key pressed at `now` was meant for the text field."""
        if not self.pending(now):
            return False
        self._last = now
        return True
