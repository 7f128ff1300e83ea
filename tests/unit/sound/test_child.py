"""The process that plays one clip by a library: what the device has been given is what it plays."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from types import ModuleType, SimpleNamespace

import pytest

from earmark.tui.sound.sinks import _child

FRAMES = 400
"""How many the device asks for at a time."""


class Device:
    """Like miniaudio's: a thread asks for frames, and hands them to the device a little later."""

    backend = "Paper"

    def __init__(self, *_: object) -> None:
        self.played = b""
        self.closed = False

    def start(self, source: Generator[bytes, int, None]) -> None:
        threading.Thread(target=self._run, args=(source,), daemon=True).start()

    def _run(self, source: Generator[bytes, int, None]) -> None:
        while not self.closed:
            block = source.send(FRAMES)
            time.sleep(0.05)
            if not self.closed:
                self.played += block

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("size", [1, FRAMES - 1, FRAMES, FRAMES + 1])
def test_miniaudio_is_not_ended_before_the_device_has_all(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    library = ModuleType("miniaudio")
    library.__dict__.update(PlaybackDevice=lambda *_: device, SampleFormat=SimpleNamespace(SIGNED16=2))
    monkeypatch.setitem(sys.modules, "miniaudio", library)
    monkeypatch.setitem(sys.modules, "numpy", sys.modules.get("numpy"))
    pcm = bytes(1 + number % 250 for number in range(2 * size))
    _child.miniaudio()(pcm, 48000)()
    assert device.closed
    assert device.played[: len(pcm)] == pcm
