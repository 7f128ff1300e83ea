"""What the same physical key gives in other keyboard layouts, and how far keys lie apart.

A reviewer whose keyboard is switched to another alphabet still presses the same key, so a review key answers to that
alphabet's letter too. Each row below lists, in the order of `_US`, what the keys give. Checked key by key against
xkeyboard-config 2.35 (symbols `ru(winkeys)`, `ua(winkeys)`, `by`, `gr`, `il`, `ara`) and, for Hangul, KS X 5002.

Three limits lie in the layouts themselves. A key that gives an ASCII character there (Greek Q gives `;`, Hebrew Q and W
give `/` and `'`) cannot be told from that character. Layouts that put a shared letter elsewhere (Belarusian і; Serbian
and Bulgarian against ЙЦУКЕН; Persian against Arabic 101) cannot be told apart either. A Korean input method that hands
over whole syllables has joined several keys, and a syllable stands for none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_US = "`qwertyuiop[]\\asdfghjkl;'zxcvbnm,./"
_US_SHIFTED = '~QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>?'

# Where both a capital and a small letter exist, the shifted row is the row in capitals.
_TWO_CASES = (
    "ёйцукенгшщзхъ\\фывапролджэячсмитьбю.",  # Russian
    "ёйцукенгшўзх'\\фывапролджэячсмітьбю.",  # Belarusian
    "'йцукенгшщзхїґфівапролджєячсмитьбю.",  # Ukrainian; a later row wins, so і is S and not Belarusian B
    "`;ςερτυθιοπ[]\\ασδφγηξκλ;'ζχψωβνμ,./",  # Greek; capital Σ lies on W and S, and S is taken
)
_ONE_CASE = (
    ";/'קראטוןםפ][\\שדגכעיחלךף,זסבהנמצתץ.",  # Hebrew, SI-1452; its shifted letters are Latin capitals
    "ذضصثقفغعهخحجد\\شسيبلاتنمكطئءؤرﻻىةوزظ",  # Arabic 101
    "`ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ[]\\ㅁㄴㅇㄹㅎㅗㅓㅏㅣ;'ㅋㅌㅊㅍㅠㅜㅡ,./",  # Hangul, two sets
)
# Pairs of (US character, character there). The vowel signs are escaped: alone they would sit on the quotation mark.
_SHIFTED = (
    *zip("TYPGHJKBN?", "ﻹإ؛ﻷأـ،ﻵآ؟", strict=True),  # Arabic 101
    *zip("QWERASX~", "\u064e\u064b\u064f\u064c\u0650\u064d\u0652\u0651", strict=True),
    *zip("QWERTOP", "ㅃㅉㄸㄲㅆㅒㅖ", strict=True),  # Hangul
    *zip(",.[][]", "、。「」【】", strict=True),  # Japanese and Chinese input methods, full width
)

# Conjoining jamo in the order of the Unicode Standard, section 3.12 (leading, vowel and trailing ranges).
_CONJOINING = (
    (0x1100, "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"),
    (0x1161, "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"),
    (0x11A8, "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"),
)


def _pairs() -> Iterator[tuple[str, str]]:
    """Every (US character, character there)."""
    for row in _TWO_CASES:
        yield from zip(_US, row, strict=True)
        yield from zip(_US_SHIFTED, row.upper(), strict=True)
    for row in _ONE_CASE:
        yield from zip(_US, row, strict=True)
    yield from _SHIFTED


def _table(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Character there → US character, for characters outside ASCII: an ASCII character always means itself."""
    table = {there: us for us, there in pairs if not there.isascii()}
    for start, jamo in _CONJOINING:
        table |= {chr(start + index): table[letter] for index, letter in enumerate(jamo) if letter in table}
    return table


_LATIN = _table(_pairs())


def latin(character: str) -> str | None:
    """The US-QWERTY character of the physical key that gives `character` in another layout, case kept.

    `None` for ASCII, which means itself, and for what no known layout gives with one key.
    """
    if len(character) != 1 or character.isascii():
        return None
    if character in _LATIN:
        return _LATIN[character]
    import unicodedata

    # Only full-width and half-width forms: NFKC would also turn ª into a, which is a key of its own in Spain.
    if unicodedata.east_asian_width(character) not in ("F", "H"):
        return None
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and plain.isascii() else _LATIN.get(plain)


# Each letter row starts a little further to the right than the one above it, in widths of a key (ISO/IEC 9995-1).
_PLACE = {
    letter: (column + shift, float(row))
    for row, (shift, letters) in enumerate(((0.0, "qwertyuiop"), (0.25, "asdfghjkl"), (0.75, "zxcvbnm")))
    for column, letter in enumerate(letters)
}


def distance(one: str, other: str) -> float | None:
    """How far two letter keys lie apart on a QWERTY keyboard, in widths of a key; `None` where one is no letter."""
    here, there = _PLACE.get(one.lower()), _PLACE.get(other.lower())
    if here is None or there is None:
        return None
    return float(((here[0] - there[0]) ** 2 + (here[1] - there[1]) ** 2) ** 0.5)
