"""What text may enter, how names are shown in messages, and when two texts count as the same."""

from __future__ import annotations

import os
import re
import unicodedata

MOST_CHARACTERS = 50_000
"""More than anybody says in fifty minutes: a longer text is no transcript of a clip."""

MOST_OF_A_NAME = 200

# Any run of these is one space: the transcript is one line, and a tab has no width of its own.
_BREAKS = "\t\n\v\f\r\x85\u2028\u2029"

# Left-to-right, right-to-left and Arabic letter mark and the byte order mark stand in honest texts. They say
# nothing that is heard and cannot be seen, so they are dropped, and equal-looking texts stay equal.
_DROPPED = "\u200e\u200f\u061c\ufeff"

# What steers a terminal, reorders or hides what is on the screen, or cannot be encoded: C0, DEL and C1; embeddings,
# overrides and isolates; deprecated format, interlinear and tag characters; lone surrogates; noncharacters.
_REPLACED = (
    "\x00-\x1f\x7f-\x9f"
    "\u202a-\u202e\u2066-\u2069\u206a-\u206f\ufff9-\ufffb\U000e0000-\U000e007f"
    "\ud800-\udfff"
    "\ufdd0-\ufdef" + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
)

_UNCLEAN = re.compile(f"[{_BREAKS}{_DROPPED}{_REPLACED}]")
_BREAK_RUN = re.compile(f" ?[{_BREAKS}]+ ?")
_DROP = dict.fromkeys(map(ord, _DROPPED))
_REPLACE = re.compile(f"[{_REPLACED}]")
_ZERO_WIDTH_SPACE = dict.fromkeys([0x200B])


def clean(text: str, *, most: int = MOST_CHARACTERS) -> str:
    """The text as it may enter: one line in NFC that no terminal, log or encoder can trip over.

    Line ends and tabs become one space; direction marks and byte order marks go; every other control, bidi control,
    lone surrogate, tag character and noncharacter becomes U+FFFD, so that it shows that something was there.
    The joiners U+200C and U+200D stay (Persian, Indic scripts and emoji need them), and so does U+200B: Khmer, Thai
    and Burmese texts part their words with it. What is beyond `most` characters is cut off.

    >>> clean("a\\r\\nb\\x1b[2J")
    'a b\\ufffd[2J'
    """
    if text.isascii() and text.isprintable():
        return text[:most]
    # Before the costly steps; NFC makes a text longer (at most threefold), so it is cut once more at the end.
    text = text[: 4 * most]
    if _UNCLEAN.search(text):
        text = _REPLACE.sub("\ufffd", _BREAK_RUN.sub(" ", text.translate(_DROP)))
    return unicodedata.normalize("NFC", text)[:most]


def clean_name(name: str | bytes | os.PathLike[str], *, most: int | None = MOST_OF_A_NAME) -> str:
    r"""A file's name as it may be shown: whatever cannot be printed as an escape, bytes that are no UTF-8 as `\xff`.

    The letters stay as they are (a name is not normalised: it would no longer be the file's). A name longer than `most`
    characters keeps its beginning and its end.

    >>> clean_name("esc\x1b[31m.wav")
    'esc\\x1b[31m.wav'
    """
    shown = os.fsdecode(name)
    if not shown.isprintable():
        shown = "".join(letter if letter.isprintable() else _escaped(letter) for letter in shown)
    if most is not None and len(shown) > most:
        half = (most - 1) // 2
        shown = f"{shown[: most - 1 - half]}…{shown[-half:]}"
    return shown


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8, as the file system's names are decoded
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def escaped(text: str) -> str:
    r"""The text with everything that could steer or mislead a terminal, but tabs and line feeds, as `\u` and four
    hexadecimal digits.

    The escape is JSON's: JSON stays the same data.

    >>> escaped("a\x9b2J\n")
    'a\\u009b2J\n'
    """
    return _UNCLEAN.sub(_json_escaped, text)


def _json_escaped(found: re.Match[str]) -> str:
    letter = found[0]
    if letter in "\t\n":
        return letter
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def clean_subject(text: str) -> str:
    """Who spoke, in the one spelling under which a subject is kept and later looked for."""
    return normalised(clean(text))


def normalised(text: str) -> str:
    """The text for comparison: NFC, outer space gone, any run of space one space, zero-width space gone."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_ZERO_WIDTH_SPACE).split())


def same_text(one: str, other: str) -> bool:
    """Whether two texts differ in nothing that a person could see or hear."""
    return one == other or normalised(one) == normalised(other)
