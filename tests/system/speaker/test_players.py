"""A receiver finds a player that plays, whatever the others of that machine do."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from earmark.tui.sound.speaker.frames import MAGIC
from earmark.tui.sound.speaker.receivers import script
from farend import until
from needs import need
from workstation import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_a_player_that_hangs_is_ended_and_the_next_one_is_taken(shell: str, tmp_path: Path) -> None:
    need(shell)
    players = {"paplay": f'echo $$ >"{tmp_path}/hangs"; exec sleep 600', "pw-play": "exit 1", "aplay": "cat >/dev/null"}
    for name, does in players.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    receiver = tmp_path / "receiver"
    receiver.write_text(script(SHELLS[shell]))
    done = subprocess.run(
        [sys.executable if shell == "python3" else shell, str(receiver)],
        input=f"{MAGIC}\n".encode(),
        capture_output=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "EARMARK_PLAYER": "paplay pw-play aplay"},
        timeout=60,
        check=False,
    )
    assert done.stderr == b"earmark: connected; sound goes out by aplay. Keep this window open.\n"
    assert done.stdout == b""
    pid = int((tmp_path / "hangs").read_text())
    until(lambda: not Path(f"/proc/{pid}").exists(), f"{pid} still runs")


def test_a_player_that_ends_before_it_had_all_has_not_played_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended by hand, paplay says that all is well."""
    (tmp_path / "paplay").write_text("#!/bin/sh\nhead -c 100 >/dev/null\n")
    (tmp_path / "paplay").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    receiver: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(script("python"), "receiver", "exec"), receiver)
    answers = io.BytesIO()
    far = receiver["Receiver"]("paplay", answers)
    piece = receiver["Piece"](8000, "pcm")
    piece.data += bytes(100_000)
    far.play("7", piece, 0, 50_000)
    until(lambda: b"E 7" in answers.getvalue() or b"X 7" in answers.getvalue())
    assert b"X 7 paplay ended with 0\n" in answers.getvalue()
