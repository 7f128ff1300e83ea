"""The process in which a sound library plays one clip: `_child.py LIBRARY FOLDER…`, the folders to import from.

It imports the library and waits on standard input for a header (`HEADER`: frames a second, bytes of PCM) and the
PCM, then says on standard output `playing`, and `done` or `error <reason>`. It ends with the clip, or when its
standard input does: sound never outlives the program that asked for it.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

HEADER = struct.Struct("<II")

PATIENCE = 5
"""Seconds that a device may take to open. simpleaudio holds the interpreter's lock meanwhile: only a signal helps."""

BUFFER_MS = 100
"""Length of miniaudio's buffers: enough for a busy machine, and no delay, since the first is filled at once."""

STILL = 3.0
"""Seconds without a request for frames after which miniaudio's device counts as dead. It asks ten times a second, but a
sink with a buffer of seconds, as some network and wireless ones have, may first let more than one go by."""

Play = Callable[[bytes, int], Callable[[], None]]
"""Begins to play PCM at a rate, and gives a function that waits for the end."""


def simpleaudio() -> Play:
    from simpleaudio import play_buffer

    def play(pcm: bytes, rate: int) -> Callable[[], None]:
        sound = play_buffer(pcm, 1, 2, rate)

        def wait() -> None:
            while sound.is_playing():
                time.sleep(0.005)

        return wait

    return play


def miniaudio() -> Play:
    sys.modules["numpy"] = None  # type: ignore[assignment]  # miniaudio imports it where it can: half of its time
    from miniaudio import PlaybackDevice, SampleFormat

    def play(pcm: bytes, rate: int) -> Callable[[], None]:
        exhausted = threading.Event()
        asked = time.monotonic()

        def frames() -> Generator[bytes, int, None]:
            nonlocal asked
            position = 0
            wanted = yield b""
            while True:
                asked = time.monotonic()
                if position >= len(pcm):
                    exhausted.set()  # not before: what it has been given it may still have to hand to the device
                block = pcm[position : position + 2 * wanted]
                position += 2 * wanted
                wanted = yield block.ljust(2 * wanted, b"\0")

        device: Any = PlaybackDevice(SampleFormat.SIGNED16, 1, rate, BUFFER_MS)
        if device.backend == "Null":  # what it takes where there is no sound system at all
            raise OSError("no sound system")
        source = frames()
        next(source)
        device.start(source)
        end = time.monotonic() + len(pcm) / (2 * rate)

        def wait() -> None:
            while not exhausted.wait(STILL):
                if time.monotonic() - asked > STILL:  # the library says nothing when its server is gone
                    raise OSError("it stands still")
            # What was handed over last is still in the device's buffers, of which there are three or four.
            time.sleep(min(max(0.0, end - time.monotonic()), 4 * BUFFER_MS / 1000))
            device.close()

        return wait

    return play


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def main(library: str, folders: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.extend(folders)
    try:
        play = {"simpleaudio": simpleaudio, "miniaudio": miniaudio}[library]()
    except ImportError:
        say(f"error {library} cannot be loaded")
        return
    header = sys.stdin.buffer.read(HEADER.size)
    if len(header) < HEADER.size:
        return
    rate, size = HEADER.unpack(header)
    pcm = sys.stdin.buffer.read(size)
    if len(pcm) < size:
        return
    if not pcm:  # simpleaudio reads beyond an empty buffer
        say("playing\ndone")
        return
    threading.Thread(target=end_with_parent, daemon=True).start()
    alarm: Callable[[int], object] = getattr(signal, "alarm", lambda _: None)  # not on Windows
    alarm(PATIENCE)
    try:
        wait = play(pcm, rate)
    except Exception as failure:  # the libraries' own errors have no common class
        said = str(failure).rpartition("MSG: ")[2]
        say(f"error {library} finds no sound device that plays ({said})")
        return
    alarm(0)
    say("playing")
    try:
        wait()
    except OSError as failure:
        say(f"error {library} lost the sound device ({failure})")
        return
    say("done")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
    os._exit(0)  # the thread that reads standard input would hold up an orderly end
