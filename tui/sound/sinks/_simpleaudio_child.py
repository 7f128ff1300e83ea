"""The process in which simpleaudio plays one clip. Run as a script with the folder that holds simpleaudio.

It waits on standard input for a header (`HEADER`: frames a second, bytes of PCM) and the PCM, then says on standard
output `playing`, and `done` or `error <reason>`. It ends with the clip, or when its standard input does: sound
never outlives the program that asked for it.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time

HEADER = struct.Struct("<II")

PATIENCE = 5
"""Seconds that the device may take to open. simpleaudio holds the interpreter's lock meanwhile, so only a signal helps."""


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def main(folder: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.append(folder)
    try:
        from simpleaudio import play_buffer
    except ImportError:
        say("error simpleaudio cannot be loaded")
        return
    header = sys.stdin.buffer.read(HEADER.size)
    if len(header) < HEADER.size:
        return
    rate, size = HEADER.unpack(header)
    pcm = sys.stdin.buffer.read(size)
    if len(pcm) < size:
        return
    if not pcm:  # the library reads beyond an empty buffer
        say("playing\ndone")
        return
    threading.Thread(target=end_with_parent, daemon=True).start()
    if hasattr(signal, "alarm"):
        signal.alarm(PATIENCE)
    try:
        sound = play_buffer(pcm, 1, 2, rate)
    except Exception as failure:  # the library's own errors have no common class
        say(f"error simpleaudio finds no sound device that plays ({str(failure).rpartition('MSG: ')[2]})")
        return
    if hasattr(signal, "alarm"):
        signal.alarm(0)
    say("playing")
    while sound.is_playing():
        time.sleep(0.005)
    say("done")


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # the thread that reads standard input would hold up an orderly end
