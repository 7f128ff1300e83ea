"""The version, as a constant: asking the installed package for it takes as long as drawing the screen."""

from __future__ import annotations

VERSION = "0.1.0"
