"""Keys that a terminal does not send, or not so that a program can tell them from another key.

What arrives was observed in xterm, PuTTY, Windows Terminal, tmux and screen with Textual 8. A key that arrives only in
some of them is refused: a keymap travels with its user to other machines, and a dead key there is a lost decision.
"""

from __future__ import annotations

# Control characters that are another key: the terminal sends the same byte for both (ECMA-48, C0).
_SAME_BYTE = {"ctrl+h": "backspace", "ctrl+i": "tab", "ctrl+m": "enter", "ctrl+[": "escape"}

_TAKEN = {
    "f1": "many terminal windows keep it for their own help",
    "f10": "many terminal windows keep it for their own menu",
    "f11": "many terminal windows keep it for the full screen",
    "ctrl+a": "screen takes it as its prefix",
    "ctrl+b": "tmux takes it as its prefix",
    "ctrl+q": "the terminal's flow control takes it",
    "ctrl+s": "the terminal's flow control takes it, and the screen freezes",
    "ctrl+space": "it arrives as a zero byte, which some terminals never send",
    "ctrl+@": "it arrives as a zero byte, which some terminals never send",
}

_CONTROLS = frozenset({"underscore", "backslash", "right_square_bracket"})


def why_not(key: str) -> str | None:
    """Why a key (in the spelling of `keys.spell`) cannot be relied on in a terminal, as a clause; `None` if it can."""
    if key in _SAME_BYTE:
        return f"terminals send the same for it as for {_SAME_BYTE[key]}"
    if key in _TAKEN:
        return _TAKEN[key]
    if len(key) == 1:
        return None
    *modifiers, base = key.split("+")
    if not modifiers:
        high = base[0] == "f" and base[1:].isdigit() and int(base[1:]) > 12
        return "terminals disagree on what the function keys above f12 send" if high else None
    return _modified(modifiers, base)


def _modified(modifiers: list[str], base: str) -> str | None:
    if len(modifiers) > 1:
        return "most terminals drop all modifiers but one"
    match modifiers[0]:
        case "super":
            return "the window system keeps it for itself"
        case "alt":
            return "terminals send escape and then the key, so it cannot be told from those two"
        case "shift" if base == "tab":
            return None
        case "shift" if len(base) == 1:
            return "shift with a character is that character; write what it types"
        case "shift":
            return f"many terminals send plain {base} for it, or keep it for themselves"
    if (len(base) == 1 and base.isalpha()) or base in _CONTROLS:
        return None
    return f"many terminals send plain {base} for it, or nothing"
