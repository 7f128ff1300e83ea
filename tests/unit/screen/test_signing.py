"""What the screen says while the store's host lets nobody in."""

from __future__ import annotations

from pathlib import Path

from earmark.keymaps.keymap import load
from earmark.tui.signing import asked_to


def test_the_key_is_named_where_there_is_one(tmp_path: Path) -> None:
    for name in ("default", "vim", "emacs", "transcriber"):
        assert asked_to(load(name)).startswith("Sign in again: L leaves for the prompt")
    own = tmp_path / "own.toml"
    own.write_text('base = "default"\n[review]\nsign_in = []\n')
    assert asked_to(load(str(own))).startswith("Sign in again: leave, and come back.")
