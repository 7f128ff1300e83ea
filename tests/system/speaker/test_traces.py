"""Nothing of a clip is left where it was heard: no file, and nothing that still plays once it was to be forgotten."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.tui.sound.speaker.codecs import encode
from earmark.tui.sound.speaker.frames import MAGIC, MOST_BYTES, Frame, sound
from earmark.tui.sound.speaker.receivers import script
from farend import until
from needs import need
from workstation import SHELLS

RATE = 16000
NOISE = np.random.default_rng(3).integers(-9000, 9000, 2 * RATE).astype("<i2")

OPENED = re.compile(r'(?:open|openat|creat)\((?:AT_FDCWD, )?"([^"]*)", ([A-Z_|]+)')
MADE = re.compile(r'(?:mkdir|mkdirat|mknod|mknodat|link|linkat|symlink|symlinkat|rename|renameat2?)\(.*"')


class Fed:
    """A receiver behind a pipe, which is fed what `earmark speaker` would write."""

    def __init__(self, shell: str, folder: Path, *before: str) -> None:
        self.text = SHELLS[shell] == "sh"
        file = folder / "receiver"
        file.write_text(script(SHELLS[shell]))
        self.process = subprocess.Popen(
            [*before, sys.executable if shell == "python3" else shell, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "EARMARK_PLAYER": "aplay", "TMPDIR": str(folder / "temporary")},
            start_new_session=True,
        )
        assert self.process.stdin
        self.process.stdin.write(f"{MAGIC}\n".encode())

    def send(self, *frames: Frame) -> None:
        assert self.process.stdin
        for frame in frames:
            self.process.stdin.write(frame.text() if self.text else frame.binary())
        self.process.stdin.flush()

    def piece(self, key: str, samples: Any, codec: str = "gzip") -> None:
        """A piece arrives whole."""
        data = encode(samples, RATE, codec)
        self.send(Frame(f"O {key} {RATE} {codec} {len(data)}"))
        for start in range(0, len(data), MOST_BYTES):
            self.send(sound(key, data[start : start + MOST_BYTES]))

    def ready(self) -> None:
        """Wait until it has said that it is connected: its player has been tried by then."""
        assert self.process.stdin and self.process.stderr
        self.process.stdin.flush()
        assert b"connected" in self.process.stderr.readline()

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=20)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_receiver_writes_no_file(shell: str, alsa_file: Path, tmp_path: Path, soundlab: Any) -> None:
    need("strace", "aplay", shell)
    (tmp_path / "temporary").mkdir()
    trace = tmp_path / "trace"
    fed = Fed(shell, tmp_path, "strace", "-f", "-qq", "-o", str(trace), "-e", "trace=%file")
    try:
        fed.ready()
        fed.piece("k1", NOISE)
        fed.send(Frame(f"P 1 k1 0 {NOISE.size}"))
        until(lambda: alsa_file.exists() and alsa_file.stat().st_size >= NOISE.nbytes + 44)
        until(lambda: np.array_equal(soundlab.read_wav(alsa_file)[0][: NOISE.size, 0], NOISE))
        fed.send(Frame("S"), Frame("R"))
        assert fed.process.stdin
        fed.process.stdin.close()
        assert fed.process.wait(20) == 1
    finally:
        fed.process.stdin = None
        fed.close()
    lines = trace.read_text(errors="replace").splitlines()
    written = {found[1] for line in lines if (found := OPENED.search(line)) and re.search("WR|CREAT", found[2])}
    assert str(alsa_file) in written, "the trace shows nothing"
    assert {path for path in written if not path.startswith("/dev/")} == {str(alsa_file)}
    assert not [line for line in lines if MADE.search(line) and " = 0" in line]
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("order", ["F k1", "R"])
@pytest.mark.usefixtures("alsa_file")
def test_what_a_receiver_was_told_to_forget_it_does_not_play(
    shell: str, order: str, alsa_file: Path, tmp_path: Path
) -> None:
    need("aplay", shell)
    fed = Fed(shell, tmp_path)
    try:
        fed.ready()
        alsa_file.unlink()
        fed.piece("k1", NOISE)
        fed.piece("k2", NOISE[:100])
        fed.send(Frame(order))
        if order == "R":
            fed.piece("k2", NOISE[:100])
        if shell != "python3":  # which takes it for the end of all sense, and joins anew
            fed.send(Frame(f"P 1 k1 0 {NOISE.size}"))
        fed.send(Frame("P 2 k2 0 100"))
        until(lambda: alsa_file.exists() and alsa_file.stat().st_size >= 244)
        time.sleep(0.2)
        assert alsa_file.stat().st_size < NOISE.nbytes
    finally:
        fed.close()
