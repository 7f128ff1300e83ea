"""How a key is spelled: in a keymap file, in an event of the terminal, and to people.

One spelling inside: a printable character is itself (`a`, `H`, `,`), the space is `space`, and everything else has
Textual's name (`escape`, `f2`, `ctrl+t`, `ctrl+underscore`).
"""

from __future__ import annotations

from earmark.keymaps.layouts import latin

NAMED = frozenset(
    (
        *("space", "enter", "escape", "tab", "backspace", "insert", "delete"),
        *("home", "end", "pageup", "pagedown", "up", "down", "left", "right"),
        *(f"f{number}" for number in range(1, 25)),
    )
)
"""Keys with a name."""

_MODIFIERS = ("super", "ctrl", "alt", "shift")

# Control characters beyond the letters, by the name Textual gives them.
_CONTROL = {"_": "underscore", "\\": "backslash", "]": "right_square_bracket", "^": "circumflex_accent"}

# What people write instead.
_MODIFIER_HABITS = {
    "c": "ctrl",
    "control": "ctrl",
    "strg": "ctrl",
    "a": "alt",
    "m": "alt",
    "meta": "alt",
    "option": "alt",
    "s": "shift",
    "cmd": "super",
    "command": "super",
    "win": "super",
}
_KEY_HABITS = {
    "esc": "escape",
    "return": "enter",
    "ret": "enter",
    "cr": "enter",
    "bs": "backspace",
    "del": "delete",
    "ins": "insert",
    "spc": "space",
    "spacebar": "space",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "pgdown": "pagedown",
    "period": ".",
    "dot": ".",
    "slash": "/",
    "backslash": "\\",
    "minus": "-",
    "plus": "+",
    "underscore": "_",
}

_PEOPLE = {
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "escape": "esc",
    "pageup": "page up",
    "pagedown": "page down",
}


def printable(key: str) -> bool:
    """Whether the key types a character, the space included."""
    return len(key) == 1 or key == "space"


def typed(key: str, character: str | None) -> str:
    """The spelling of a key event, from the name and the character that Textual gives it.

    Some terminals report control with the letter of the layout in use (`ctrl+е` on a Russian one): that is `ctrl+t`.
    """
    *modifiers, base = key.split("+")
    if character and len(character) == 1 and set(modifiers) <= {"shift"} and _visible(character):
        return "space" if character == " " else character
    if modifiers == ["ctrl"] and (letter := latin(base)):
        return f"ctrl+{letter.lower()}"
    return key


def joined(key: str, character: str | None) -> str | None:
    """The letter of a quick escape and letter, which terminals join into alt+letter; None for any other key.

    It means what the two mean one after the other: leave, then the letter.
    """
    *modifiers, base = key.split("+")
    if set(modifiers) not in ({"alt"}, {"alt", "shift"}):
        return None
    letter = character or (base.upper() if "shift" in modifiers else base)
    return letter if len(letter) == 1 and letter.isprintable() else None


def spell(written: str) -> str:
    """The spelling inside of a key as a keymap file writes it.

    Raises `ValueError` with a sentence for people where it is misspelt, and in it the nearest right spelling, if any.
    """
    if not written:
        raise ValueError("an empty key is no key; write [] to leave the action without one")
    key = _spelled(written)
    if key is not None:
        return key
    hint = _suggestion(written)
    raise ValueError(f"{quote(written)} is no key" + (f"; did you mean {quote(hint)}?" if hint else ""))


def display(key: str) -> str:
    """The key as people read it: `space`, `←`, `esc`, `F2`, `Ctrl+T`, `H`."""
    *modifiers, base = key.split("+") if len(key) > 1 else (key,)
    signs = {name: sign for sign, name in _CONTROL.items()}
    if base in signs:
        base = signs[base]
    elif modifiers or (base[:1] == "f" and base in NAMED):
        base = base.capitalize() if len(base) > 1 else base.upper()
    return "+".join([*(modifier.capitalize() for modifier in modifiers), _PEOPLE.get(base.lower(), base)])


def quote(text: str, length: int = 40) -> str:
    """Text from outside in quotes, for a message: shortened, and nothing in it reaches the terminal as a control."""
    short = text if len(text) <= length else text[: length - 1] + "…"
    shown = (c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode("ascii") for c in short)
    return '"' + "".join(shown) + '"'


def _visible(character: str) -> bool:
    import unicodedata

    return not unicodedata.category(character).startswith("C")


def _spelled(written: str) -> str | None:
    """The spelling inside, or `None` where this is no key's spelling."""
    if len(written) == 1:
        return written if written.isprintable() and written != " " else None
    if written in NAMED:
        return written
    *modifiers, base = written.split("+")
    ordered = [modifier for modifier in _MODIFIERS if modifier in modifiers]
    if not modifiers or modifiers != ordered:
        return None
    if base in NAMED or (len(base) == 1 and base.isascii() and base.isprintable() and base == base.lower()):
        return "+".join([*modifiers, _CONTROL.get(base, base)])
    return written if base in _CONTROL.values() else None


def _suggestion(written: str) -> str | None:
    """The right spelling that was most likely meant."""
    import unicodedata
    from difflib import get_close_matches

    text = unicodedata.normalize("NFC", written.strip()).removeprefix("<").removesuffix(">")
    if not text:
        return "space"
    if len(text) == 2 and text[0] == "^":
        text = f"ctrl+{text[1]}"
    *prefixes, base = text.replace("-", "+").split("+")
    modifiers = {_MODIFIER_HABITS.get(prefix.lower(), prefix.lower()) for prefix in prefixes}
    if len(base) > 1:
        base = _KEY_HABITS.get(base.lower(), base.lower())
    elif modifiers:
        base = (latin(base) or base).lower()
    guess = "+".join([*(modifier for modifier in _MODIFIERS if modifier in modifiers), base])
    if modifiers <= set(_MODIFIERS) and _spelled(guess) is not None:
        return guess
    try:
        character = unicodedata.lookup(text.replace("_", " "))
    except KeyError:
        known = sorted(NAMED) + [f"ctrl+{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
        return next(iter(get_close_matches(text.lower(), known, 1)), None)
    return character if _spelled(character) else None
