"""What a program may write to a terminal, as a list of all that is allowed, and payloads that must not come through."""

from __future__ import annotations

import re
from collections.abc import Sequence

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"

FIXED = (
    "\x1b[?1049h", "\x1b[?1049l",  # the other screen (xterm)
    "\x1b[?25l", "\x1b[?25h",  # cursor
    "\x1b[?7l", "\x1b[?7h",  # autowrap
    "\x1b[?1004h", "\x1b[?1004l",  # focus reports
    "\x1b[?2004h", "\x1b[?2004l",  # bracketed paste
    "\x1b[?2026$p", "\x1b[?2026h", "\x1b[?2026l",  # synchronised output
    "\x1b[?2048$p", "\x1b[?2048h", "\x1b[?2048l",  # size reports in band
    "\x1b[>25u", "\x1b[<u",  # kitty's keyboard
    "\x1b]22;default\x07",  # the mouse pointer's shape, without any text
)  # fmt: skip
"""Every sequence that Textual writes by itself and that has no variable part."""

MOVE = re.compile(r"\x1b\[([0-9]{1,3});([0-9]{1,3})H")
STYLE = re.compile(r"\x1b\[([0-9;]*)m")
_BUT_LINE_FEED = (
    "\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
STEERING = re.compile(f"[{_BUT_LINE_FEED}]")
STEERING_IN_A_SCREEN = re.compile(f"[{_BUT_LINE_FEED}\n]")
"""Controls, C1 and bidi controls. Line feeds belong to what is written before and after the screen."""

PAYLOADS = {
    "title": "\x1b]0;owned\x07",
    "title by name": "\x1b]2;owned\x1b\\",
    "clipboard": "\x1b]52;c;b3duZWQ=\x07",
    "link": "\x1b]8;;http://owned\x1b\\here\x1b]8;;\x1b\\",
    "clear": "\x1b[2J\x1b[3J",
    "move": "\x1b[777;777H",
    "style": "\x1b[5;8;53mhidden",
    "reset": "\x1bc",
    "device string": "\x1bP1$r0m\x1b\\",
    "charset": "\x1b(0lqqk\x0e",
    "answer back": "\x05\x1b[6n\x1b[c",
    "main screen": "\x1b[?1047l\x1b[?47l",
    "c1": "\x9b2J\x9d0;owned\x9c\x90q\x9c\x85",
    "bell": "\x07\x08\x7f",
    "bidi": "\u202eevil\u202c\u2066x\u2069\u200f\u061c",
    "separators": "\u2028\u2029\ufeff\ufff9",
    "tags": "\U000e0001\U000e0041\U000e007f",
}


def marked(name: str) -> str:
    """A payload between two words, by which one sees that the text around it was really shown."""
    number = list(PAYLOADS).index(name)
    return f"mark{number:02d}a {PAYLOADS[name]} mark{number:02d}z"


def foreign(raw: bytes, columns: int, rows: int, *, more: Sequence[str] = ()) -> list[str]:
    """What in a program's output is not on the list, each with what stands around it; empty when all is well.

    `more` are sequences that this program may write as well.
    """
    text = raw.decode("utf-8")  # a piece of a character, or a lone surrogate, raises
    for sequence in more:
        text = text.replace(sequence, "")
    before, _, rest = text.partition(ENTER)
    found = _seen(before, columns, rows, lines=True)
    for part in rest.split(ENTER):
        screen, _, after = part.partition(LEAVE)
        found += _seen(screen, columns, rows, lines=False)
        found += _seen(after, columns, rows, lines=True)
    return found


def _seen(text: str, columns: int, rows: int, *, lines: bool) -> list[str]:
    for sequence in FIXED:
        text = text.replace(sequence, "")
    moves, styles = list(MOVE.finditer(text)), list(STYLE.finditer(text))
    found = [f"a move out of the screen: {at[0]!r}" for at in moves if int(at[1]) > rows or int(at[2]) > columns]
    found += [f"a style that is not ours: {style[0]!r}" for style in styles if not _known_style(style[1])]
    text = STYLE.sub("", MOVE.sub("", text)).replace("\r\n", "\n")
    hits = (STEERING if lines else STEERING_IN_A_SCREEN).finditer(text)
    return found + [repr(text[max(0, hit.start() - 30) : hit.end() + 30]) for hit in hits]


def _known_style(codes: str) -> bool:
    """SGR codes that Rich writes for our themes: no blinking, hiding, framing or overlining."""
    numbers = [int(code or 0) for code in codes.split(";")]
    while numbers:
        code = numbers.pop(0)
        if code in (38, 48):
            kind = numbers.pop(0) if numbers else None
            if kind not in (2, 5) or len(numbers) < (3 if kind == 2 else 1):
                return False
            del numbers[: 3 if kind == 2 else 1]
        elif code not in (0, 1, 2, 3, 4, 7, 39, 49, *range(30, 38), *range(40, 48), *range(90, 98), *range(100, 108)):
            return False
    return True
