"""What the doctor finds out about sound: each way out plays a tone, `auto` is explained, and what to paste is said."""

from __future__ import annotations

import math
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from earmark.tui.sound.sinks.choose import OpenSpeaker
    from earmark.tui.sound.sinks.interface import SinkEvent
    from earmark.tui.sound.speaker.sink import Speaker

RATE = 16000
TONE_SECONDS = 0.3
PATIENCE = 5.0
"""Seconds that a way out may take to play the tone."""
JOINING = 3.0
"""Seconds in which a speaker that waits at the other end has joined."""


class Finding(NamedTuple):
    """One line of the report: `ok`, `note` or `bad`; what it is about; what was found; what to do about it."""

    state: str
    about: str
    found: str
    remedy: str = ""


def tone() -> bytes:
    """A quiet A, faded in and out, as 16-bit little-endian frames of one channel, `RATE` a second."""
    count = round(TONE_SECONDS * RATE)
    fade = RATE * 0.02
    frames = (
        3200 * min(1.0, at / fade, (count - at) / fade) * math.sin(2 * math.pi * 440 * at / RATE) for at in range(count)
    )
    return array("h", [round(each) for each in frames]).tobytes()


def sound(preference: str, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Play the tone through every way out there is; say which one reviewing takes, and why; say what to paste where
    the reviewer's ears are elsewhere.
    """
    from earmark.tui.sound.sinks.choose import candidates, far_ears, ways

    here = []
    for candidate in candidates("auto"):
        name, fault = try_sink(candidate)
        yield Finding("note" if fault else "ok", "sound", f"{name}: {fault}" if fault else f"{name} plays")
        if not fault:
            here.append(name)
    far, found, fault = try_speaker(ways("speaker", environ)[1])
    yield Finding("note" if fault else "ok", "sound", fault or found)
    yield taken(preference, here, far, environ)
    if far_ears(environ) or preference == "speaker" or not (here or far):
        yield from to_paste(environ)


def try_sink(candidate: Callable[..., object]) -> tuple[str, str]:
    """Have a sink of this machine play the tone: its name, and what is wrong, empty for nothing."""
    from earmark.tui.sound.sinks.interface import SinkFailed

    answers = Answers()
    try:
        sink = candidate(answers.take)
    except SinkFailed as error:
        return "", str(error)
    sink.play(1, tone(), RATE)  # type: ignore[attr-defined]  # candidates open sinks
    fault = answers.fault()
    sink.close()  # type: ignore[attr-defined]
    return sink.name, fault  # type: ignore[attr-defined]


def try_speaker(open_speaker: OpenSpeaker | None) -> tuple[str, str, str]:
    """Have a speaker at the other end play the tone, if one joins: its name, what came of it, and what is wrong, empty
    for nothing.
    """
    from earmark.tui.sound.sinks.interface import SinkFailed

    if open_speaker is None:
        return "", "", "a speaker elsewhere cannot join on this system"
    answers = Answers()
    try:
        speaker = open_speaker(answers.take)
    except SinkFailed as error:
        return "", "", f"speaker: {error}"
    try:
        deadline = time.monotonic() + JOINING
        while not speaker.joined:
            # One that cannot answer has joined once it has had its time to say hello.
            if time.monotonic() > deadline and not speaker.met:
                return "", "", "speaker: nobody has joined from another machine"
            time.sleep(0.05)
        fault = play_there(speaker, answers)
        if speaker.estimated:
            return speaker.name, "a tone went to a speaker that cannot answer: whether it sounded, your ears say", fault
        return speaker.name, f"{speaker.name} plays at the other end", fault
    finally:
        speaker.close()


def play_there(speaker: Speaker, answers: Answers) -> str:
    """Play the tone by a speaker that has joined; says what is wrong, empty for nothing."""
    import numpy as np

    from earmark.tui.sound.track import Cut, Piece

    piece = Piece("0" * 16, np.frombuffer(tone(), "<i2"), RATE)
    speaker.expect((piece,))
    speaker.play(1, Cut(piece, 0, piece.samples.size, 0.0, TONE_SECONDS))
    return answers.fault()


class Answers:
    """What a way out says of the tone."""

    def __init__(self) -> None:
        self._said: list[SinkEvent] = []
        self._over = threading.Event()

    def take(self, event: SinkEvent) -> None:
        """The way out reports."""
        from earmark.tui.sound.sinks.interface import Ended, Failed

        self._said.append(event)
        if isinstance(event, Ended | Failed):
            self._over.set()

    def fault(self) -> str:
        """Wait for the end of the tone; what is wrong, empty for nothing."""
        from earmark.tui.sound.sinks.interface import Failed, Started

        self._over.wait(PATIENCE)
        failed = next((event.reason for event in self._said if isinstance(event, Failed)), "")
        began = any(isinstance(event, Started) for event in self._said)
        return failed or ("" if began else f"no answer within {PATIENCE:.0f} s")


def taken(preference: str, here: list[str], far: str, environ: Mapping[str, str]) -> Finding:
    """Which way out reviewing takes, and why."""
    from earmark.tui.sound.sinks.choose import far_ears, forwarded

    if preference == "none":
        return Finding("note", "sound", "reviewing is silent: the setting is --sound none")
    if preference not in ("auto", "speaker"):
        names = [name for name in here if preference in (name, "command")]
        found = f"reviewing takes {preference}, as the setting says"
        return (
            Finding("ok", "sound", found) if names else Finding("note", "sound", f"{found}, which does not play here")
        )
    if far:
        return Finding("ok", "sound", f"reviewing takes the {far}: whoever has joined from elsewhere comes first")
    if preference == "speaker" or far_ears(environ):
        why = "the setting says so" if preference == "speaker" else "this is reached over SSH, and your ears are there"
        return Finding("note", "sound", f"reviewing waits for a speaker: {why}", "Paste the line for your workstation:")
    if not here:
        return Finding(
            "note",
            "sound",
            "no way out for sound works here; clips can be decided unheard, and each decision says so",
            "Where this is reached over SSH, paste the line for your workstation. Else install, on Linux, alsa-utils, "
            "pulseaudio-utils or pipewire, and see that a sound server or card is there.",
        )
    why = "it is the first that plays here"
    if server := forwarded(environ):
        why = f"it plays to the sound server {server}"
        if environ.get("SSH_CONNECTION"):
            why += ": each clip travels while it sounds. On a slow line a speaker begins and stops sooner"
    return Finding("ok", "sound", f"reviewing takes {here[0]}: {why}")


def to_paste(environ: Mapping[str, str]) -> Iterator[Finding]:
    """The line for each kind of workstation, in a finding of its own."""
    from earmark.tui.sound.speaker.paste import lines

    for each in lines(environ):
        yield Finding("line", each.where, each.line)
    yield Finding("note", "sound", "Where you reach this host by another name than these lines have, write that name.")
