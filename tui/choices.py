"""What some settings can be, apart from the settings so that `--help` and shell completion need not load those."""

from __future__ import annotations

THEMES = ("dark", "light", "high-contrast", "terminal")
SOUNDS = ("auto", "speaker", "simpleaudio", "miniaudio", "command", "none")
