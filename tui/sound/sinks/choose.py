"""Which ways out for sound to try, and in which order."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.tui.choices import SOUNDS
from earmark.tui.sound.sinks.interface import Report, Sink, SinkFailed

if TYPE_CHECKING:
    from earmark.tui.sound.speaker.sink import Speaker

    OpenSpeaker = Callable[[Report], Speaker]
    """Listens for a speaker elsewhere. Raises SinkFailed with one line that says why nobody can join."""

PREFERENCES = SOUNDS

LIBRARIES = {"simpleaudio": "earmark[simpleaudio]", "miniaudio": "miniaudio"}
"""In the order in which they are tried, with what to say to pip."""

COMMANDS = ("aplay", "paplay", "pw-play")

Candidate = Callable[[Report], Sink]
"""Opens a sink. Starts processes, so not for an event loop. Raises SinkFailed with one line that says why not."""


def ways(
    preference: str = "auto", environ: Mapping[str, str] = os.environ
) -> tuple[tuple[Candidate, ...], OpenSpeaker | None]:
    """The ways out for a preference: sinks of this machine to try in turn, and what lets a speaker elsewhere join.

    `auto` lets a speaker join at any time. Over SSH it has nothing else, unless a sound server at the other end is
    forwarded: a customer's clip must not sound in the machine room. Raises ValueError for an unknown preference.
    """
    if preference == "speaker" or (preference == "auto" and far_ears(environ)):
        return (), partial(_speaker, True)
    return candidates(preference), partial(_speaker, False) if preference == "auto" else None


def far_ears(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether whoever listens is at the other end of an SSH connection, with no sound server of theirs forwarded."""
    return bool(environ.get("SSH_CONNECTION") or _below_sshd()) and not forwarded(environ)


def _below_sshd() -> bool:
    """Whether an SSH server started this, also where `su -` or `sudo -i` has emptied the environment; Linux only."""
    pid = os.getppid()
    for _ in range(32):
        try:
            name, rest = Path(f"/proc/{pid}/stat").read_bytes().partition(b"(")[2].rsplit(b")", 1)
        except (OSError, ValueError):
            return False
        if name.startswith(b"sshd"):
            return True
        pid = int(rest.split()[1])
    return False


def forwarded(environ: Mapping[str, str] = os.environ) -> str:
    """The sound server that the environment names, such as one at the other end of a connection; empty for none."""
    return environ.get("PULSE_SERVER") or environ.get("PIPEWIRE_REMOTE") or ""


def candidates(preference: str = "auto") -> tuple[Candidate, ...]:
    """The sinks of this machine to try in turn for a preference; none for `none`.

    `auto` is what is installed of simpleaudio, miniaudio and the players of ALSA, PulseAudio and PipeWire; `speaker`
    is none of this machine's. A sink that is asked for by name comes back even where it is missing: opening it then
    says what to install. Imports no sound library. Raises ValueError for an unknown preference.
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


def _speaker(only: bool, report: Report) -> Speaker:
    from earmark.tui.sound.speaker.rendezvous import NoRendezvous
    from earmark.tui.sound.speaker.sink import Speaker

    try:
        return Speaker(report, only=only)
    except NoRendezvous as error:
        raise SinkFailed(str(error)) from None


def _library(name: str, install: str, report: Report) -> Sink:
    from earmark.tui.sound.sinks.libraries import LibrarySink

    return LibrarySink(name, install, report)


def _command(player: str, report: Report) -> Sink:
    from earmark.tui.sound.sinks.command import CommandSink

    return CommandSink(player, report)
