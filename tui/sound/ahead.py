"""The clips that come next, and what of them a speaker elsewhere is to have before they are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from earmark.tui.sound.track import Piece, Track


class Ahead:
    """The likeliest first. Pure: not safe for two threads at once."""

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self._cut: tuple[tuple[Track, Piece], ...] = ()

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The beginnings that were cut."""
        return tuple(piece for _, piece in self._cut)

    def have(self, pieces: Iterable[tuple[Track, Piece]]) -> None:
        """These beginnings were cut."""
        self._cut = tuple(pieces)

    def drop(self, gone: Track | None) -> None:
        """This clip does not come any more: what plays now, or was marked as critical, may still count as coming."""
        self.tracks = tuple(track for track in self.tracks if track is not gone)
        self._cut = tuple(each for each in self._cut if each[0] is not gone)

    def clear(self) -> None:
        """Nothing comes."""
        self.tracks = self._cut = ()
