"""Sound cards of paper: an ALSA device that writes a file, a PulseAudio server whose output is recorded."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def alsa_file(folder: Path) -> tuple[dict[str, str], Path]:
    """The environment in which ALSA's default device writes a WAV file, faster than real time, and that file."""
    capture = folder / "capture.wav"
    config = folder / "file.conf"
    config.write_text(
        f'pcm.!default {{ type file slave.pcm {{ type null }} file "{capture}" format "wav" truncate true }}\n'
    )
    return alone(folder, config), capture


def no_device(folder: Path) -> dict[str, str]:
    """The environment of a machine without a sound card."""
    config = folder / "empty.conf"
    config.write_text("")
    return alone(folder, config)


def alone(folder: Path, config: Path) -> dict[str, str]:
    """An environment with this ALSA configuration and no sound server of the machine's."""
    return {
        "ALSA_CONFIG_PATH": str(config),
        "PULSE_SERVER": f"unix:{folder}/nobody",
        "PULSE_RUNTIME_PATH": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PIPEWIRE_RUNTIME_DIR": str(folder),
        "HOME": str(folder),
    }


def read_wav(path: Path) -> tuple[Any, int]:
    """The frames of a 16-bit WAV file as ALSA's file plugin leaves it: (frames, channels), and the rate."""
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
    # The plugin writes the sizes of the header on close, which not every player lives to see: read to the end.
    data = path.read_bytes()[44:]
    return np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], "<i2").reshape(-1, channels), rate


class Pulse:
    """A PulseAudio server with one null sink of 16 kHz, one channel."""

    rate = 16000

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "p.sock"
        config = folder / "pulse.conf"
        config.write_text(f'pcm.!default {{ type pulse server "unix:{self.socket}" }}\n')
        self.environment = {**alone(folder, config), "PULSE_SERVER": f"unix:{self.socket}"}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        script = self.folder / "p.pa"
        script.write_text(
            f"load-module module-null-sink sink_name=spk rate={self.rate} format=s16le channels=1\n"
            f"load-module module-native-protocol-unix socket={self.socket} auth-anonymous=1\n"
        )
        arguments = [
            "-n",
            "-F",
            str(script),
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
            "--realtime=no",
        ]
        self.process = subprocess.Popen(
            ["pulseaudio", *arguments],
            env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder), "HOME": str(self.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 15
        while not self.socket.exists():
            assert time.monotonic() < deadline, "pulseaudio did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process:
            died = self.process.poll()
            self.process.kill()
            self.process.wait()
            self.process = None
            assert died is None, f"pulseaudio ended by itself (code {died})"
        self.socket.unlink(missing_ok=True)

    @contextlib.contextmanager
    def recording(self) -> Iterator[Recording]:
        """Record what the sink plays."""
        recorder = Recording(self)
        try:
            yield recorder
        finally:
            recorder.close()


class Recording:
    """What a sink played, with the moment (`time.monotonic()`) of its first frame, to about 20 ms."""

    def __init__(self, pulse: Pulse) -> None:
        self.rate = pulse.rate
        self.environment = pulse.environment
        self._blocks: list[tuple[float, bytes]] = []
        self._mark = 0
        shape = ["--raw", "--format=s16le", f"--rate={pulse.rate}", "--channels=1", "--latency-msec=20"]
        self._process = subprocess.Popen(
            ["parec", "-d", "spk.monitor", *shape],
            env={**os.environ, **pulse.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 15
        while len(self._blocks) < 3:
            assert time.monotonic() < deadline, "nothing was recorded"
            time.sleep(0.02)
        # The recorder settles its latency first: what it gives until then comes late.
        time.sleep(1.0)

    def _read(self) -> None:
        assert self._process.stdout
        while block := os.read(self._process.stdout.fileno(), 65536):
            self._blocks.append((time.monotonic(), block))

    @property
    def began(self) -> float:
        """The moment of frame 0: the least of what the blocks' arrivals say."""
        frames, best = 0, float("inf")
        for at, block in list(self._blocks):
            frames += len(block) // 2
            best = min(best, at - frames / self.rate)
        return best

    def restart(self) -> None:
        """Forget what was recorded up to now, once it is quiet: what sounded last comes in late."""
        now = time.monotonic()
        while self.between(now, now + 0.2).any():
            now = time.monotonic()
        self._mark = len(self._all())

    @property
    def samples(self) -> Any:
        """What was recorded since the last `restart`: int16 (frames,)."""
        return self._all()[self._mark :]

    def _all(self) -> Any:
        data = b"".join(block for _, block in list(self._blocks))
        return np.frombuffer(data[: len(data) // 2 * 2], "<i2")

    def between(self, start: float, end: float) -> Any:
        """What sounded from moment `start` to moment `end` of `time.monotonic()`."""
        deadline = time.monotonic() + 20
        while self.began + len(self._all()) / self.rate < end:
            assert self._process.poll() is None, "the recorder ended"
            assert time.monotonic() < deadline, "the recorder stands still"
            time.sleep(0.02)
        first = max(0, round((start - self.began) * self.rate))
        return self._all()[first : max(first, round((end - self.began) * self.rate))]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout
        self._process.stdout.close()
