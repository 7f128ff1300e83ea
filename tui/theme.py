"""The four looks. Every colour is told by a word or a sign too; text contrast is at least 4.5:1 on its background."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="dark",
    dark=True,
    primary="#5cc8ff",
    secondary="#9aa7b8",
    warning="#ffd166",
    error="#ff8f87",
    success="#7ee787",
    accent="#5cc8ff",
    foreground="#dfe5ee",
    background="#10151c",
    surface="#10151c",
    panel="#1a222d",
    boost="#1a222d",
    variables={"muted": "#8b97a8", "faint": "#4a5667", "wave": "#6f8fb0"},
)

LIGHT = Theme(
    name="light",
    dark=False,
    primary="#0b5cad",
    secondary="#4d5966",
    warning="#8a4b00",
    error="#a3211a",
    success="#17692d",
    accent="#0b5cad",
    foreground="#171c22",
    background="#fbfaf6",
    surface="#fbfaf6",
    panel="#ece9e0",
    boost="#ece9e0",
    variables={"muted": "#59636f", "faint": "#b5b9bd", "wave": "#5a7ea6"},
)

HIGH_CONTRAST = Theme(
    name="high-contrast",
    dark=True,
    primary="#ffff00",
    secondary="#ffffff",
    warning="#ffff00",
    error="#ff9d9d",
    success="#00ff66",
    accent="#00ffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    boost="#000000",
    variables={"muted": "#ffffff", "faint": "#b0b0b0", "wave": "#ffffff"},
)

TERMINAL = Theme(
    name="terminal",
    dark=True,
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_default",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "muted": "ansi_default",
        "faint": "ansi_bright_black",
        "wave": "ansi_blue",
        # Textual's own style sheet asks for these two in a theme of the terminal's colours.
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
    },
)

THEMES = {theme.name: theme for theme in (DARK, LIGHT, HIGH_CONTRAST, TERMINAL)}
