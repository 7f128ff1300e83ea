"""The same physical key in other layouts."""

from __future__ import annotations

import unicodedata

import pytest

from earmark.keymaps.layouts import distance, latin

# The letter keys from left to right and top to bottom, and what each layout gives on them: the first five as
# libxkbcommon reads them out of xkeyboard-config 2.35. A blank stands for a key that gives ASCII punctuation there.
LETTERS = "qwertyuiopasdfghjklzxcvbnm"
TYPED = {
    "Russian": "йцукенгшщзфывапролдячсмить",
    "Ukrainian": "йцукенгшщзфівапролдячсмить",
    "Greek": " ςερτυθιοπασδφγηξκλζχψωβνμ",
    "Hebrew": "  קראטוןםפשדגכעיחלךזסבהנמצ",
    "Arabic": "ضصثقفغعهخحشسيبلاتنمئءؤرﻻىة",
    "Hangul": "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ",
    "full width": "ｑｗｅｒｔｙｕｉｏｐａｓｄｆｇｈｊｋｌｚｘｃｖｂｎｍ",
}


@pytest.mark.parametrize("layout", TYPED)
def test_letter_of_another_layout_is_the_latin_letter_of_its_key(layout: str) -> None:
    for there, us in zip(TYPED[layout], LETTERS, strict=True):
        assert there == " " or latin(there) == us, there


@pytest.mark.parametrize(
    ("there", "us"),
    [
        *zip("хъбю", "[],.", strict=True),
        ("ї", "]"),
        *zip("תץ", ",.", strict=True),
        *zip("وزجدظ", ",.[]/", strict=True),
        *zip("，．［］？", ",.[]?", strict=True),
        *zip("、。「」", ",.[]", strict=True),
        ("؟", "?"),
        ("\u3000", " "),
    ],
)
def test_punctuation_keys(there: str, us: str) -> None:
    assert latin(there) == us


@pytest.mark.parametrize("there", ["Р", "Η", "أ", "Ｈ"])
def test_capital_keeps_its_case(there: str) -> None:
    assert latin(there) == "H"


def test_shift_gives_the_doubled_jamo() -> None:
    assert [latin(jamo) for jamo in "ㅃㅉㄸㄲㅆㅒㅖ"] == list("QWERTOP")


def test_jamo_are_known_in_every_form() -> None:
    for jamo, us in zip(TYPED["Hangul"], LETTERS, strict=True):
        name = unicodedata.name(jamo).removeprefix("HANGUL LETTER ")
        forms = []
        for kind in ("HANGUL CHOSEONG", "HANGUL JUNGSEONG", "HANGUL JONGSEONG", "HALFWIDTH HANGUL LETTER"):
            try:
                forms.append(unicodedata.lookup(f"{kind} {name}"))
            except KeyError:  # a vowel leads no syllable, a consonant is no vowel
                continue
        assert len(forms) >= 2
        assert {latin(form) for form in forms} == {us}


def test_ascii_means_itself_and_the_unknown_nothing() -> None:
    assert [latin(character) for character in ("a", ";", "é", "ª", "ß", "漢", "한", "ㄳ", "", "ab")] == [None] * 10


def test_final_sigma_is_w_and_the_capital_is_s() -> None:
    assert [latin(letter) for letter in "ςσΣ"] == ["w", "s", "S"]


def test_distance_is_in_widths_of_a_key() -> None:
    assert distance("a", "s") == 1.0
    assert distance("A", "a") == 0.0
    assert distance("q", "a") == pytest.approx((1 + 0.25**2) ** 0.5)
    assert distance("a", "7") is None
