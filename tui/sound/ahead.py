"""What a speaker elsewhere should have before it is asked for: the rest of the clip, and the clips that come next."""

from __future__ import annotations

from earmark.tui.sound.deck import Deck
from earmark.tui.sound.track import Piece, Track

Place = tuple[Track, float]
"""A clip, and the second in it from which it will be played."""


class Ahead:
    """Which pieces were cut for the places that are likely to be played. Pure: not safe for two threads at once."""

    def __init__(self, deck: Deck) -> None:
        self._deck = deck
        self._cut: dict[Place, Piece] = {}
        self.tracks: tuple[Track, ...] = ()
        """The clips that come next, the likeliest first."""

    def missing(self) -> Place | None:
        """The likeliest place for which nothing has been cut yet."""
        return next((place for place in self._places() if place not in self._cut), None)

    def have(self, place: Place, piece: Piece) -> None:
        """A piece was cut that begins at, or holds, this place."""
        self._cut[place] = piece

    def pieces(self) -> tuple[Piece, ...]:
        """All that was cut and may still be played, the likeliest first."""
        deck = self._deck
        likely = [self._cut[place] for place in self._places() if place in self._cut]
        played = [piece for (track, _), piece in self._cut.items() if track is deck.track]
        return tuple(dict.fromkeys([*([deck.piece] if deck.piece else []), *likely, *played]))

    def drop(self, gone: Track | None) -> None:
        """This clip does not come any more: it was left, or marked as critical, or withdrawn."""
        self.tracks = tuple(track for track in self.tracks if track is not gone)
        self._cut = {place: piece for place, piece in self._cut.items() if place[0] is not gone}

    def come(self, tracks: tuple[Track, ...]) -> None:
        """These clips come next, and no others."""
        self.tracks = tracks
        kept = {self._deck.track, *tracks}
        self._cut = {place: piece for place, piece in self._cut.items() if place[0] in kept}

    def recut(self) -> None:
        """What was cut is of no use any more: the speed has changed."""
        self._cut.clear()

    def clear(self) -> None:
        """Nothing comes."""
        self.tracks = ()
        self._cut.clear()

    def _places(self) -> list[Place]:
        deck = self._deck
        here: list[Place] = []
        if deck.track is not None:
            if deck.run is not None and deck.run.end < deck.end:
                here.append((deck.track, deck.run.end))  # a long clip goes on in another piece
            elif deck.piece is None:
                here.append((deck.track, deck.position))  # loaded, and waiting for a key
        return [*here, *((track, 0.0) for track in self.tracks if track is not deck.track)]
