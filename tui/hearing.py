"""The ear's side of the review screen: fetch a clip's sound, play it, show where it is, and say what is wrong in one
line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from earmark.queue.session import Heard, Place
from earmark.queue.store.interface import Refused, StoreError
from earmark.tui.screens.review import Playing, ReviewScreen
from earmark.tui.sitting import Sitting
from earmark.tui.sound.player import SPEEDS, Player, PlayerEvent, SinkChanged
from earmark.tui.tasks import begin

if TYPE_CHECKING:
    from textual.timer import Timer

    from earmark.tui.app import EarmarkApp
    from earmark.tui.sound.track import Track

TICK = 0.2
"""Seconds between moves of the playhead: often enough to follow by eye, seldom enough for a slow line."""

LOOPS_TILL_IDLE = 3


class Hearing:
    """The sound of the clip on the screen."""

    def __init__(self, app: EarmarkApp, sitting: Sitting, player: Player, must_hear: float, silent: str | None) -> None:
        self._app = app
        self._sitting = sitting
        self._player = player
        self._must_hear = must_hear
        self._clip: str | None = None
        self._place: Place | None = None
        self._stood = 0.0  # where the playhead was when the player had to forget the clip
        self._loading: asyncio.Task[None] | None = None
        self._waiting = ""
        self._timer: Timer | None = None
        self._shown_second = -1
        self._was_playing = False
        self._off = silent is not None
        self.trouble = silent
        """Why there is no sound, in words; None while there is."""
        self.held = False
        """The clip waits for a key before it plays."""

    @property
    def screen(self) -> ReviewScreen:
        return self._app.review_screen

    # -- one clip after the other ------------------------------------------------------------------------------------

    def open(self, place: Place | None, *, play: bool = True) -> None:
        """Another clip (or none): silence, then its sound as soon as it is there."""
        self._note_heard()
        self._player.stop()
        if self._loading is not None:
            self._loading.cancel()
        self._clip = place.clip.id if place is not None else None
        self._place = place
        self._stood = 0.0
        self._waiting = ""
        self.held = not play
        if place is None:
            self.paint()
            return
        sound = self._sitting.batch.sound_at_hand(place.clip.id)
        if self._off:
            pass  # nothing to decode for
        elif sound is not None:
            self._begin(place, sound)
        else:
            self._waiting = "fetching the sound"
            self._loading = begin(self._fetch(place))
        self.paint()

    async def _fetch(self, place: Place) -> None:
        clip = place.clip.id
        try:
            sound = await self._sitting.sound(clip)
        except Refused:
            waiting = "this clip may not be heard any more"
        except StoreError as error:
            waiting = f"no sound: {error}"
        else:
            waiting = ""
            if clip == self._clip:
                self._begin(place, sound)
        if clip == self._clip:
            self._waiting = waiting
            self.paint()

    def _begin(self, place: Place, track: Track) -> None:
        self._player.load_track(place.clip.id, track, place.heard)
        if not self.held and self._app.reviewing.present:
            self.play()

    def play(self) -> None:
        """Play from where the playhead is, unless the clip was withdrawn meanwhile."""
        if self._clip is None or self._sitting.batch.is_withdrawn(self._clip):
            return
        self._player.play()
        self._watch()

    def heard(self) -> Heard:
        """What was heard of the clip on the screen, as a decision records it."""
        player, place = self._player, self._place
        if place is None:
            return Heard(audible=self.trouble is None)
        share, plays, position = place.heard.share(place.clip.duration), place.plays, self._stood
        if player.clip == place.clip.id:
            share, plays, position = player.heard, plays + player.starts, player.position
        return Heard(share, plays, position, self.trouble is None)

    def _note_heard(self) -> None:
        place, player = self._place, self._player
        if place is not None and player.clip == place.clip.id:
            place.heard, place.plays = player.heard_so_far(), place.plays + player.starts
            self._stood = player.position

    def forget(self) -> None:
        """Silence, and nothing of the clip's sound stays with the player."""
        self._note_heard()
        self._player.stop()
        self._watch()

    # -- what keys do ------------------------------------------------------------------------------------------------

    def play_pause(self) -> None:
        if self._player.playing:
            self._player.pause()
        elif self._audible():
            self.play()
        self._watch()

    def replay(self, last: float | None = None) -> None:
        """From the start, or the last so many seconds again."""
        if self._audible():
            self._player.replay(last)
            self._watch()

    def seek(self, by: float) -> None:
        """Move the playhead by seconds of the clip."""
        self._player.seek(by)
        self._watch()

    def change_speed(self, by: int) -> None:
        """One step on the ladder of speeds."""
        at = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - self._player.speed))
        self._player.set_speed(SPEEDS[min(max(at + by, 0), len(SPEEDS) - 1)])
        self._watch()

    def loop(self) -> None:
        """Round and round, or no longer."""
        self._player.set_loop(not self._player.loop)
        if self._player.loop and not self._player.playing and self._audible():
            self.play()
        self._watch()

    def silence(self) -> None:
        """Pause at once; the place is kept."""
        self._player.pause()
        self._watch()

    def rest(self) -> None:
        """Pause at once while nobody is there; a speaker elsewhere keeps nothing."""
        self._player.rest()
        self._watch()

    def ahead(self, tracks: list[Track]) -> None:
        """These clips come next: a speaker elsewhere gets them ahead."""
        if self._app.reviewing.present:
            self._player.ahead(tracks)

    def _audible(self) -> bool:
        if self._clip is not None and self._sitting.batch.is_withdrawn(self._clip):
            return False
        if self.trouble is not None:
            self._app.say(self.trouble, "warn")
        return not self._off

    def say_trouble(self) -> None:
        """Say why there is no sound, and that one can decide all the same."""
        if self.trouble is not None:
            self._app.tell(f"{self.trouble} You can decide unheard; each decision says so.", "warn")

    @property
    def active(self) -> bool:
        """Whether something sounds that somebody may be listening to: a loop counts for its first rounds only."""
        return self._player.sounding and not (self._player.loop and self._player.loops >= LOOPS_TILL_IDLE)

    # -- what the player says ----------------------------------------------------------------------------------------

    def player_says(self, event: PlayerEvent, changed: Callable[[], None]) -> None:
        """On the event loop: sound began, ended, failed, or goes another way out."""
        if isinstance(event, SinkChanged):
            was_silent, self.trouble = self.trouble is not None, event.reason if event.name is None else None
            if self.trouble is not None:
                self.say_trouble()
            elif event.reason:
                self._app.tell(f"Sound by {event.name}: {event.reason}.", "warn")
            elif was_silent:
                self._app.tell(f"Sound goes out by {event.name}.", "good")
            changed()
        self._watch()

    # -- the clock and the playhead ----------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Follow the playhead while it moves, and no longer: an idle screen sends nothing."""
        if self._timer is None:
            self._timer = self._app.set_interval(TICK, self._tick)
        self._timer.resume()
        self.paint()

    def _tick(self) -> None:
        playing = self._player.playing
        if not playing and self._timer is not None:
            self._timer.pause()
        if playing and self._was_playing and self._player.sounding:
            self._paint_head()
            second = int(self._player.position)
            if second != self._shown_second:
                self.paint()
        else:
            self.paint()
        self._was_playing = playing

    def _paint_head(self) -> None:
        duration = self._player.duration
        self.screen.waveform.playhead(self._player.position / duration if duration else 0.0)

    def paint(self) -> None:
        """The clock line and the playhead as they are now."""
        player = self._player
        here = self._sitting.session.current
        duration = player.duration or (here.clip.duration if here is not None else 0.0)
        self._shown_second = int(player.position)
        waiting = self._waiting
        if not waiting and self.held:
            waiting = "waits for a key"
        if not waiting and player.playing and (share := player.awaited) is not None:
            waiting = f"on its way {share:.0%}"
        silent = self.trouble is not None
        playing = Playing(
            player.position,
            duration,
            player.speed,
            player.playing,
            player.loop,
            self.heard().share,
            waiting,
            silent,
            player.estimated,
        )
        self.screen.show_clock(playing if here is not None else None, 0.0 if silent else self._must_hear)
        self._paint_head()

    @property
    def way_out(self) -> tuple[str, str]:
        """What the status line says of the sound, and how it looks."""
        if self.trouble is not None:
            return ("no sound", "warn")
        return (f"♪ {self._player.sink_name or 'sound'}", "muted")
