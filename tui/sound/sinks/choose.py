"""Which ways out for sound to try, and in which order."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from functools import partial

from earmark.tui.sound.sinks.interface import Report, Sink

PREFERENCES = ("auto", "simpleaudio", "miniaudio", "command", "none")

LIBRARIES = {"simpleaudio": "earmark[simpleaudio]", "miniaudio": "miniaudio"}
"""In the order in which they are tried, with what to say to pip."""

COMMANDS = ("aplay", "paplay", "pw-play")

Candidate = Callable[[Report], Sink]
"""Opens a sink. Starts processes, so not for an event loop. Raises SinkFailed with one line that says why not."""


def candidates(preference: str = "auto") -> tuple[Candidate, ...]:
    """The sinks to try in turn for a preference; none for `none`.

    `auto` is what is installed of simpleaudio, miniaudio and the players of ALSA, PulseAudio and PipeWire. A sink
    that is asked for by name comes back even where it is missing: opening it then says what to install. Imports no
    sound library. Raises ValueError for an unknown preference.
    """
    if preference not in PREFERENCES:
        raise ValueError(f"unknown sound preference {preference!r}: one of {', '.join(PREFERENCES)}")
    libraries = {name: partial(_library, name, install) for name, install in LIBRARIES.items()}
    players = tuple(partial(_command, player) for player in COMMANDS if shutil.which(player))
    if preference == "auto":
        return (*(opened for name, opened in libraries.items() if importlib.util.find_spec(name)), *players)
    if preference == "command":
        return players or (partial(_command, COMMANDS[0]),)
    return (libraries[preference],) if preference in libraries else ()


def _library(name: str, install: str, report: Report) -> Sink:
    from earmark.tui.sound.sinks.libraries import LibrarySink

    return LibrarySink(name, install, report)


def _command(player: str, report: Report) -> Sink:
    from earmark.tui.sound.sinks.command import CommandSink

    return CommandSink(player, report)
